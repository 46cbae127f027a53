import { randomUUID } from 'node:crypto'

/** A JSON text with some values cut out into separate texts. */
export interface CutJson {
  /** The text with a placeholder string for each value that is cut out. */
  readonly skeleton: string
  /** The values that are cut out, by their placeholder. */
  readonly parts: ReadonlyMap<string, string>
}

/**
 * Cuts the objects and arrays at the third level out of a JSON text, so that each can be parsed and rejected
 * separately. In `{"a":{"b":{…}}}` that is the value of `b`. Checks only that brackets match: if the text is not JSON,
 * the skeleton or a part is not JSON either.
 *
 * Returns undefined if the brackets do not match, because the text is then not JSON.
 */
export function cutJson(text: string): CutJson | undefined {
  // Random, so that the author of the text cannot guess a placeholder.
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

/** Returns the position of the closing quote of the string at `start`, or the end of the text if there is none. */
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
