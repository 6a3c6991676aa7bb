// The schedule works without this: it adds the countdown and the viewer's own time.
import { startClock } from "../js/clock.js";
import { startCountdowns } from "../js/countdown.js";
import { addOwnTimes } from "../js/own_time.js";

startClock();
startCountdowns();
addOwnTimes();
