/**
 * Escapes everything invisible (control characters, line ends, marks that change the writing direction) in text from an
 * agent or a command line. Such text can then neither forge a line nor control a terminal.
 */
export function escapeInvisible(text: string): string {
  return text.replace(invisible, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/**
 * Escapes the same characters in JSON without indentation, where they occur only in strings. The result is equivalent
 * JSON.
 */
export function escapeInvisibleJson(json: string): string {
  return json.replace(invisible, (character) =>
    Array.from({ length: character.length }, (_, index) => toEscape(character.charCodeAt(index))).join(''),
  )
}

const invisible = /[\p{C}\p{Zl}\p{Zp}]/gu

// RFC 8259 §7: UTF-16, four digits per unit.
function toEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
