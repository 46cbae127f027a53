import type { Certificate } from './certificate.ts'

/** A certificate for an operator: its subject, or the first of its URI names where it has no subject. */
export function describeCertificate({ subject, subjectAlternativeName, serialNumber }: Certificate): string {
  if (subject.text !== '') return quoteText(subject.text)
  const uris = subjectAlternativeName?.names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  return quoteText(uris?.[0] ?? `serial number ${serialNumber}`)
}

/**
 * Text out of a certificate in quotes, cut at 100 characters, with everything invisible (control characters, line
 * ends, marks that turn the reading direction) escaped, so that it cannot forge a log line.
 */
export function quoteText(text: string): string {
  const short = text.length > 100 ? `${text.slice(0, 99)}…` : text
  const escaped = short.replace(/[\p{C}\p{Zl}\p{Zp}'\\]/gu, (character) => {
    return character === "'" || character === '\\' ? `\\${character}` : `\\u{${character.codePointAt(0)?.toString(16)}}`
  })
  return `'${escaped}'`
}
