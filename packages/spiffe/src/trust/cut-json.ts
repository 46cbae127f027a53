import { randomUUID } from 'node:crypto'

/** A JSON text in which some values are cut out, each in a text of its own. */
export interface CutJson {
  /** The text with a string in the place of each value that is cut out. */
  readonly skeleton: string
  /** The values that are cut out, by the string in their place. */
  readonly parts: ReadonlyMap<string, string>
}

/**
 * Cuts the objects and arrays at the third level out of a JSON text, so that each can be read, and refused, by itself: in
 * `{"a":{"b":{…}}}` it is the value of `b`. Nothing is checked but that brackets match: a text that is not JSON has a
 * skeleton or parts that are not JSON either.
 *
 * Returns undefined when the brackets do not match, which means that it is not JSON.
 */
export function cutJson(text: string): CutJson | undefined {
  // Not to be guessed by whoever writes a string into the text.
  const nonce = randomUUID()
  const parts = new Map<string, string>()
  const open: string[] = []
  let skeleton = ''
  let kept = 0
  let start = 0
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? ''
    if (character === '"') {
      at = findEndOfString(text, at)
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? '}' : ']')
      if (open.length === cutLevel) {
        skeleton += text.slice(kept, at)
        start = at
      }
    } else if (character === '}' || character === ']') {
      if (open.pop() !== character) return undefined
      if (open.length === cutLevel - 1) {
        const name = `${nonce} ${parts.size}`
        parts.set(name, text.slice(start, at + 1))
        skeleton += JSON.stringify(name)
        kept = at + 1
      }
    }
  }
  return open.length === 0 ? { skeleton: skeleton + text.slice(kept), parts } : undefined
}

const cutLevel = 3

/** The position of the quote that ends the string which begins at `start`, or of the end of the text. */
function findEndOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes += 1
  return backslashes % 2 === 1
}
