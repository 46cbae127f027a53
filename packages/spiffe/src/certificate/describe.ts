import type { Certificate } from './certificate.ts'

/**
 * Describes a certificate for an operator: its subject and its first URI name, whichever exist, otherwise its serial
 * number. The subject alone is not enough, because SPIRE uses the same one for workloads and authorities.
 */
export function describeCertificate({ subject, subjectAlternativeName, serialNumber }: Certificate): string {
  const uri = subjectAlternativeName?.names.find((name) => name.type === 'uri')
  const id = typeof uri?.value === 'string' ? quoteText(uri.value) : undefined
  if (subject.text === '') return id ?? quoteText(`serial number ${serialNumber}`)
  return id === undefined ? quoteText(subject.text) : `${quoteText(subject.text)} (${id})`
}

/**
 * Quotes text from a certificate, cut to 100 characters. Escapes all invisible characters (control characters, line
 * breaks, bidirectional marks), so that the text cannot forge a log line.
 */
export function quoteText(text: string): string {
  const short = text.length > 100 ? `${text.slice(0, 99)}…` : text
  const escaped = short.replace(/[\p{C}\p{Zl}\p{Zp}'\\]/gu, (character) => {
    return character === "'" || character === '\\' ? `\\${character}` : `\\u{${character.codePointAt(0)?.toString(16)}}`
  })
  return `'${escaped}'`
}
