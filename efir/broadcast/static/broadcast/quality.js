// The quality that is sent, and when it must be lowered: if the connection is slower than the recorder.
export const QUALITIES = {
  1080: { width: 1920, height: 1080, kbps: 3000 },
  720: { width: 1280, height: 720, kbps: 1500 },
  480: { width: 854, height: 480, kbps: 800 },
  360: { width: 640, height: 360, kbps: 450 },
};
const BEHIND_S = 4;
const WATCH_S = 8; // the backlog has not shrunk for this long
const SETTLE_S = 15; // after a change: the backlog was recorded at the previous rate
const BUSY = 0.9; // requests that take this share of the time leave no reserve

export function lowerThan(height) {
  return Object.keys(QUALITIES).map(Number).filter((each) => each < height).pop();
}

export class LineWatch {
  constructor() {
    this.restart();
  }

  restart() {
    this.samples = [];
    this.settled = 0;
  }

  // Called every second. Without a connection its speed is unknown.
  isTooSlow(waitingS, isLost) {
    this.settled += 1;
    if (isLost) this.samples = [];
    else this.samples.push(waitingS);
    this.samples = this.samples.slice(-WATCH_S);
    const [first] = this.samples;
    return this.settled > SETTLE_S && this.samples.length === WATCH_S && waitingS > BEHIND_S && waitingS >= first;
  }
}

export function isNarrow(busy) {
  return busy > BUSY;
}
