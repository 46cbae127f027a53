import { CertificateError, type CertificateErrorCode } from '../errors.ts'

/** Something that is wrong with what a trust domain publishes. It affects the callers of that trust domain and no others. */
export interface BundleFault {
  /** Whose bundle or revocation list it is; undefined where that cannot be told. */
  readonly trustDomain: string | undefined
  readonly code: CertificateErrorCode
  /** What was found, for people; never a whole certificate. */
  readonly detail: string
  /** Equal for faults that are one and the same to an operator: of these the first is reported. */
  readonly kind: string
}

/** The fault of a bundle that cannot be read. */
export function toFault(trustDomain: string, { code, message }: CertificateError): BundleFault {
  const prefix = beginOf(trustDomain)
  return { trustDomain, code, detail: message.startsWith(prefix) ? message.slice(prefix.length) : message, kind: code }
}

/** The error for a bundle of which nothing is left. */
export function toError(name: string, { code, detail }: BundleFault): CertificateError {
  return new CertificateError(code, `${beginOf(name)}${detail}`, { value: name })
}

/** Several faults in one sentence, cut after the first three. */
export function describeFaults(faults: readonly BundleFault[]): string {
  const details = [...new Set(faults.map(({ detail }) => detail))]
  const rest = details.length - mostShown
  return [...details.slice(0, mostShown), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}

const mostShown = 3

function beginOf(name: string): string {
  return `bundle of ${name}: `
}
