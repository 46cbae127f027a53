import { CertificateError, type CertificateErrorCode, SourceError, type SourceErrorCode } from '../errors.ts'

/** A fault in what a trust domain publishes. It affects only the callers of that trust domain. */
export type BundleFault = ContentFault | FileFault

interface Fault {
  /** The owner of the bundle or revocation list, or undefined if it is unknown. */
  readonly trustDomain: string | undefined
  /** What was found, for operators. Never a whole certificate. */
  readonly detail: string
  /** Equal for faults that an operator would consider the same. Only the first of them is reported. */
  readonly kind: string
}

/** A fault in the content. */
interface ContentFault extends Fault {
  readonly origin: 'content'
  readonly code: CertificateErrorCode
}

/** The file cannot be read, so there is no content. */
interface FileFault extends Fault {
  readonly origin: 'file'
  readonly code: SourceErrorCode
}

/** Returns the fault for a bundle that cannot be read. */
export function toFault(trustDomain: string, error: CertificateError | SourceError): BundleFault {
  const prefix = beginOf(trustDomain)
  const { code: kind, message } = error
  const detail = message.startsWith(prefix) ? message.slice(prefix.length) : message
  return error instanceof CertificateError
    ? { origin: 'content', trustDomain, code: error.code, detail, kind }
    : { origin: 'file', trustDomain, code: error.code, detail, kind }
}

/** Returns the error for a bundle without any usable authority. */
export function toError(name: string, fault: BundleFault): CertificateError | SourceError {
  const message = `${beginOf(name)}${fault.detail}`
  return fault.origin === 'content'
    ? new CertificateError(fault.code, message, { value: name })
    : new SourceError(fault.code, message, { value: name })
}

/** Joins several faults into one text. Shows at most three and the number of the others. */
export function describeFaults(faults: readonly BundleFault[]): string {
  const details = [...new Set(faults.map(({ detail }) => detail))]
  const rest = details.length - mostShown
  return [...details.slice(0, mostShown), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}

const mostShown = 3

function beginOf(name: string): string {
  return `bundle of ${name}: `
}
