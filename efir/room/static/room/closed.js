// The room without a webinar: opens as soon as there is one.
import { keepFresh } from "../js/fresh.js";

keepFresh(location.pathname, (page) => { if (page.getElementById("room")) location.reload(); });
