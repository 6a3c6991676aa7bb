// The page of components: countdowns that count and a dialog that opens.
import { startCountdowns } from "../js/countdown.js";

startCountdowns();
const dialog = document.getElementById("sample-dialog");
document.getElementById("open-dialog").addEventListener("click", () => dialog.showModal());
