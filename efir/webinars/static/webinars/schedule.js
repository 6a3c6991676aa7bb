// Adds the countdowns and the viewer's own time; the schedule works without it.
import { startClock } from "../js/clock.js";
import { startCountdowns } from "../js/countdown.js";
import { addOwnTimes } from "../js/own_time.js";

startClock();
startCountdowns();
addOwnTimes();
