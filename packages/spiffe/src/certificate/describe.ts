import type { Certificate } from './certificate.ts'

/**
 * A certificate for an operator: its subject with the first of its URI names, one of them, or else its serial number. The
 * subjects of SPIRE are the same for workloads and authorities.
 */
export function describeCertificate({ subject, subjectAlternativeName, serialNumber }: Certificate): string {
  const uri = subjectAlternativeName?.names.find((name) => name.type === 'uri')
  const id = typeof uri?.value === 'string' ? quoteText(uri.value) : undefined
  if (subject.text === '') return id ?? quoteText(`serial number ${serialNumber}`)
  return id === undefined ? quoteText(subject.text) : `${quoteText(subject.text)} (${id})`
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
