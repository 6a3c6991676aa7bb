// The recorder of the browser: which containers it can write, and one container at a time from one video and one audio track.
// Viewers only play H.264. AAC needs no transcoding on the server, Opus does, so AAC comes first.
const KINDS = [
  "video/mp4;codecs=avc1.42E01E,mp4a.40.2",
  "video/mp4;codecs=avc1.42E01E,opus",
  "video/webm;codecs=h264,opus",
];
const CHUNK_MS = 500;
// A segment begins with a key frame, so this is the shortest segment.
const KEY_FRAME_MS = 1000;
const SOUND_BPS = 96000;

// The container this browser can write, or "" if the server accepts none that it writes (Firefox only has VP8).
export function recordedType() {
  return window.MediaRecorder ? KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)) ?? "" : "";
}

export class Recorder {
  // Calls `onChunk(blob, first)`; `first` says that the chunk begins a container. Calls `onBroken` if the recorder stops by
  // itself: some do when the picture changes its size, as on a phone that is turned.
  constructor(type, onChunk, onBroken) {
    Object.assign(this, { type, onChunk, onBroken, turn: Promise.resolve() });
  }

  // Begins a new container. The previous one is ended first, so that its last chunk comes before the first one of the new container.
  start(tracks, kbps) {
    return this.inTurn(async () => {
      await this.end();
      const recorder = new MediaRecorder(new MediaStream(tracks), {
        mimeType: this.type, videoBitsPerSecond: kbps * 1000, audioBitsPerSecond: SOUND_BPS,
        videoKeyFrameIntervalDuration: KEY_FRAME_MS,
      });
      let first = true;
      recorder.addEventListener("dataavailable", ({ data }) => {
        if (!data.size) return;
        this.onChunk(data, first);
        first = false;
      });
      recorder.addEventListener("stop", () => { if (recorder === this.recorder) this.onBroken(); });
      recorder.start(CHUNK_MS);
      this.recorder = recorder;
    });
  }

  stop() {
    return this.inTurn(() => this.end());
  }

  async end() {
    const { recorder } = this;
    this.recorder = undefined;
    if (!recorder || recorder.state === "inactive") return;
    const stopped = new Promise((done) => recorder.addEventListener("stop", done, { once: true }));
    recorder.stop();
    await stopped;
  }

  inTurn(act) {
    this.turn = this.turn.then(act, act);
    return this.turn;
  }
}
