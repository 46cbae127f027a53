import { ConfigurationError, SpiffeId, SpiffeIdError } from '@countersign/spiffe'
import { readDuration } from '@countersign/spiffe/options'

/** The flags of `countersign readiness`, as given on the command line. */
export interface ReadinessFlags {
  readonly server?: string
  readonly socket?: string
  readonly maxAge: string
  readonly minPeriod?: string
  readonly format: string
}

/** Validated options. Times are in milliseconds. */
export interface ReadinessOptions {
  readonly place: ReportPlace
  readonly maxAge: number
  /** 0 if any period is accepted. */
  readonly minPeriod: number
  readonly isJson: boolean
}

/** Where a report is read from. */
export type ReportPlace =
  | { readonly kind: 'input' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  /** Over mTLS, with the SVID of an agent. */
  | { readonly kind: 'service'; readonly url: string; readonly server: string; readonly socket: string | undefined }

/**
 * Validates the place and every option.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseReadinessFlags(place: string, flags: ReadinessFlags): ReadinessOptions {
  const { maxAge, minPeriod, format } = flags
  if (format !== 'text' && format !== 'json') refuse('--format', format, 'text or json')
  return {
    place: parsePlace(place, flags),
    maxAge: parseTime('--max-age', maxAge),
    minPeriod: minPeriod === undefined ? 0 : parseTime('--min-period', minPeriod),
    isJson: format === 'json',
  }
}

function parsePlace(text: string, { server, socket }: ReadinessFlags): ReportPlace {
  const isUrl = /^https?:\/\//i.test(text)
  if (isUrl && !URL.canParse(text))
    refuse('the place of the report', text, 'a URL such as https://billing:8443/readiness')
  if (server === undefined) {
    if (socket !== undefined) refuse('--socket', socket, 'it together with --server, the SPIFFE ID of the service')
    if (text === '-') return { kind: 'input' }
    return isUrl ? { kind: 'url', url: text } : { kind: 'file', path: text }
  }
  if (!/^https:/i.test(text)) refuse('--server', server, 'it together with an https:// URL')
  return { kind: 'service', url: text, server: parseServer(server), socket }
}

function parseServer(text: string): string {
  try {
    return SpiffeId.parse(text).toString()
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error
    throw new ConfigurationError('option_invalid', `--server: ${error.message}`, { value: text, cause: error })
  }
}

function parseTime(option: string, text: string): number {
  const milliseconds = readDuration(text)
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds
  return refuse(option, text, 'a time such as 30m, 24h or 168h')
}

function refuse(option: string, found: string, expected: string): never {
  const shown = found.length > 80 ? `${found.slice(0, 79)}…` : found
  throw new ConfigurationError('option_invalid', `${option}: found '${shown}', expected ${expected}`, { value: found })
}
