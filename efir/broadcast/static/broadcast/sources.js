// Camera, screen and microphone, and the two tracks that are sent of them.
const FPS = 30;
const COMPOSED_FPS = 25;
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

// Whether the camera can stay in the screen's corner: it must go on while the page is hidden.
const canCompose = Boolean(window.MediaStreamTrackProcessor && window.MediaStreamTrackGenerator && window.OffscreenCanvas);
export const canShareScreen = Boolean(navigator.mediaDevices?.getDisplayMedia);

export class Sources {
  // Calls `onLost(name)` if a device stops by itself: "camera", "microphone" or "screen".
  constructor(compositorAddress, onLost) {
    Object.assign(this, { compositorAddress, onLost, muted: false });
  }

  // Throws the browser's error: NotAllowedError, NotFoundError, NotReadableError.
  async openCamera(quality, deviceId) {
    const { width, height } = quality;
    const video = {
      width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: FPS, max: FPS },
      ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }),
    };
    // A phone opens one camera at a time.
    stop(this.camera);
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    this.camera = this.watch("camera", stream.getVideoTracks()[0]);
  }

  async openMicrophone(deviceId) {
    const audio = { ...MICROPHONE, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) };
    stop(this.microphone);
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.microphone = this.watch("microphone", stream.getAudioTracks()[0]);
    this.mute(this.muted);
  }

  // Needs a press of the person; asks which screen or window.
  async openScreen(quality) {
    const stream = await navigator.mediaDevices.getDisplayMedia({
      video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: COMPOSED_FPS, max: FPS } },
      audio: true, selfBrowserSurface: "exclude", surfaceSwitching: "include",
    });
    this.closeScreen();
    const [video] = stream.getVideoTracks();
    // Text must stay readable: a lower rate is better than a smaller picture.
    video.contentHint = "detail";
    this.screen = this.watch("screen", video);
    [this.screenSound] = stream.getAudioTracks();
    this.compose(quality);
  }

  closeScreen() {
    this.endComposition();
    stop(this.screen);
    stop(this.screenSound);
    this.screen = this.screenSound = undefined;
  }

  async resize(quality) {
    await this.camera?.applyConstraints({
      width: { ideal: quality.width }, height: { ideal: quality.height }, frameRate: { ideal: FPS, max: FPS },
    }).catch(() => {}); // the recorder's lower rate still holds
    if (this.screen) this.compose(quality);
  }

  compose({ width, height }) {
    this.endComposition();
    if (!canCompose) return;
    const [screen, camera] = [this.screen, this.camera].map((track) => track?.readyState === "live" ? track.clone() : null);
    const generator = new MediaStreamTrackGenerator({ kind: "video" });
    const worker = new Worker(this.compositorAddress);
    const given = {
      width, height, fps: COMPOSED_FPS, writable: generator.writable,
      screen: new MediaStreamTrackProcessor({ track: screen }).readable,
      camera: camera && new MediaStreamTrackProcessor({ track: camera }).readable,
    };
    worker.postMessage(given, [given.writable, given.screen, given.camera].filter(Boolean));
    this.composition = { worker, track: generator, inputs: [screen, camera] };
  }

  endComposition() {
    if (!this.composition) return;
    const { worker, track, inputs } = this.composition;
    worker.terminate();
    for (const each of [track, ...inputs]) stop(each);
    this.composition = undefined;
  }

  mute(muted) {
    this.muted = muted;
    if (this.microphone) this.microphone.enabled = !muted;
  }

  get showsScreen() {
    return Boolean(this.screen);
  }

  get hasCorner() {
    return Boolean(this.composition?.inputs[1]);
  }

  get video() {
    return this.composition?.track ?? this.screen ?? this.camera;
  }

  // The microphone as it is, as long as nothing must be mixed with it: an AudioContext may be kept suspended after a reload.
  get audio() {
    if (this.microphone && !this.screenSound) return this.microphone;
    return this.mix();
  }

  mix() {
    this.context ??= new AudioContext();
    this.context.resume(); // not awaited: without a press it may never settle
    if (!this.mixed) {
      this.mixed = this.context.createMediaStreamDestination();
      // Without a source it produces nothing, not even silence, and the recorder would wait.
      const silence = new ConstantSourceNode(this.context, { offset: 0 });
      silence.connect(this.mixed);
      silence.start();
    }
    for (const each of this.mixing ?? []) each.disconnect();
    this.mixing = [this.microphone, this.screenSound].filter(Boolean).map((track) => {
      const source = this.context.createMediaStreamSource(new MediaStream([track]));
      source.connect(this.mixed);
      return source;
    });
    return this.mixed.stream.getAudioTracks()[0];
  }

  close() {
    this.closeScreen();
    stop(this.camera);
    stop(this.microphone);
    this.camera = this.microphone = undefined;
  }

  watch(name, track) {
    // Our own `stop` causes no "ended" event.
    track.addEventListener("ended", () => this.onLost(name));
    return track;
  }
}

function stop(track) {
  track?.stop();
}
