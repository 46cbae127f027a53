/** The ASN.1 tags used by the testkit's own extensions. */
export const derTag = { bitString: 0x03, sequence: 0x30, context: 0x80, constructed: 0x20 } as const

/** Encodes one DER value: tag, length, content (X.690 §8.1, §10.1). */
export function encodeDer(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const digits: number[] = []
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 0x100)) digits.unshift(rest % 0x100)
  return Buffer.concat([Buffer.of(tag, 0x80 | digits.length, ...digits), body])
}
