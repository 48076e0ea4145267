'use strict';
// The random numbers of libtorch's generator for the CPU, so that a seed draws the same words here as in the
// program.
//
// Source: Matsumoto and Nishimura, Mersenne Twister, 1998, MT19937.

/** libtorch's generator, a Mersenne Twister of 32 bits. */
class Random {
  /** A generator with a seed of 64 bits, of which libtorch takes the lower half. */
  constructor(seed) {
    this.words = new Uint32Array(624);
    this.words[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < 624; i++) {
      const before = this.words[i - 1];
      this.words[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
    this.at = 624;
  }

  /** The next 32 random bits. */
  word() {
    if (this.at === 624) this.twist();
    let y = this.words[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  twist() {
    const { words } = this;
    for (let i = 0; i < 624; i++) {
      const y = (words[i] & 0x80000000) | (words[(i + 1) % 624] & 0x7fffffff);
      words[i] = words[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }

  /** A uniform number in [0, 1) of 53 bits, as `torch.rand` draws in 64-bit floats. */
  uniform() {
    const high = this.word() & 0x1fffff;
    return (high * 4294967296 + this.word()) / 9007199254740992;
  }
}
