import { escapeInvisible } from '../../output/escape-invisible.ts'

/** Returns text as the content of an element or of a quoted attribute. */
export function escapeHtml(text: string): string {
  return escapeInvisible(text).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
