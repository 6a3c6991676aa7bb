// The microphone's level, and whether it has been silent for long.
const CHECK_MS = 100;
const QUIET = 0.01; // of full scale: the noise of a room is above it, a muted device below
const SILENT_MS = 5000;

export class Level {
  constructor(meter, onSilent) {
    Object.assign(this, { meter, onSilent });
    setInterval(() => this.look(), CHECK_MS);
  }

  follow(track) {
    this.source?.disconnect();
    this.source = undefined;
    if (!track) return;
    this.context ??= new AudioContext();
    this.context.resume();
    this.analyser ??= this.context.createAnalyser();
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
    this.track = track;
    this.heardAt = Date.now();
  }

  look() {
    if (!this.source || this.context.state !== "running") return;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    // Loudness is heard by its logarithm: -48 dB to 0 dB.
    this.meter.value = peak ? Math.max(0, 1 + Math.log10(peak) * 20 / 48) : 0;
    if (peak > QUIET || !this.track.enabled) this.heardAt = Date.now();
    this.onSilent(Date.now() - this.heardAt > SILENT_MS);
  }
}
