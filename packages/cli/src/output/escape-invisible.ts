/**
 * Text from an agent or a command line with everything invisible (control characters, line ends, marks that turn the
 * reading direction) escaped, so that it can neither forge a line nor command a terminal.
 */
export function escapeInvisible(text: string): string {
  return text.replace(invisible, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** The same for JSON text without indentation, where such characters stand in strings only: it stays the same JSON. */
export function escapeInvisibleJson(json: string): string {
  return json.replace(invisible, (character) =>
    Array.from({ length: character.length }, (_, index) => toEscape(character.charCodeAt(index))).join(''),
  )
}

const invisible = /[\p{C}\p{Zl}\p{Zp}]/gu

// RFC 8259 §7: UTF-16, four digits each.
function toEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
