// Runs on the browser's audio thread: the microphone's samples in pieces of 16-bit mono.

const PIECE_SECONDS = 0.1;

class PcmCapture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate * PIECE_SECONDS));
    this.filled = 0;
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      const cut = Math.max(-1, Math.min(1, sample));
      this.piece[this.filled++] = cut * 32767;
      if (this.filled === this.piece.length) {
        const whole = this.piece;
        this.piece = new Int16Array(whole.length);
        this.filled = 0;
        this.port.postMessage(whole.buffer, [whole.buffer]);
      }
    }
    return true;
  }
}

registerProcessor("pcm-capture", PcmCapture);
