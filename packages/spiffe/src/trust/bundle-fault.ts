import { CertificateError, type CertificateErrorCode, SourceError, type SourceErrorCode } from '../errors.ts'

/** Something that is wrong with what a trust domain publishes. It affects the callers of that trust domain and no others. */
export type BundleFault = ContentFault | FileFault

interface Fault {
  /** Whose bundle or revocation list it is; undefined where that cannot be told. */
  readonly trustDomain: string | undefined
  /** What was found, for people; never a whole certificate. */
  readonly detail: string
  /** Equal for faults that are one and the same to an operator: of these the first is reported. */
  readonly kind: string
}

/** A fault of the content. */
interface ContentFault extends Fault {
  readonly origin: 'content'
  readonly code: CertificateErrorCode
}

/** There is no content, because its file cannot be read. */
interface FileFault extends Fault {
  readonly origin: 'file'
  readonly code: SourceErrorCode
}

/** The fault of a bundle that cannot be read. */
export function toFault(trustDomain: string, error: CertificateError | SourceError): BundleFault {
  const prefix = beginOf(trustDomain)
  const { code: kind, message } = error
  const detail = message.startsWith(prefix) ? message.slice(prefix.length) : message
  return error instanceof CertificateError
    ? { origin: 'content', trustDomain, code: error.code, detail, kind }
    : { origin: 'file', trustDomain, code: error.code, detail, kind }
}

/** The error for a bundle of which nothing is left. */
export function toError(name: string, fault: BundleFault): CertificateError | SourceError {
  const message = `${beginOf(name)}${fault.detail}`
  return fault.origin === 'content'
    ? new CertificateError(fault.code, message, { value: name })
    : new SourceError(fault.code, message, { value: name })
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
