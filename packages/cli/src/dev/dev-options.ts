import { isAbsolute, resolve } from 'node:path'
import { ConfigurationError, parseTrustDomain, SpiffeId, SpiffeIdError } from '@countersign/spiffe'
import { readDuration } from '@countersign/spiffe/options'

/** The flags of `countersign dev`, as given on the command line. */
export interface DevFlags {
  readonly trustDomain: string
  /** Each as `<namespace>/<service account>`. */
  readonly service?: readonly string[]
  readonly ttl: string
  readonly federate?: readonly string[]
  readonly socket?: string
  readonly json?: boolean
}

/** Validated options. */
export interface DevOptions {
  readonly trustDomain: string
  /** At least one, without duplicates. */
  readonly services: readonly DevService[]
  readonly ttlSeconds: number
  /** Other trust domains, without duplicates. */
  readonly federatesWith: readonly string[]
  /** If undefined, `chooseEndpoint` decides. */
  readonly socket: DevSocket | undefined
  readonly json: boolean
}

/** Where to listen: at an absolute path, or on a port of 127.0.0.1. */
export type DevSocket =
  | { readonly transport: 'unix'; readonly path: string }
  | { readonly transport: 'tcp'; readonly endpoint: string }

/** A workload that gets an SVID. */
interface DevService {
  readonly spiffeId: string
  /** `<namespace>/<service account>`. Every client of the socket gets all SVIDs and selects one by this hint. */
  readonly hint: string
}

/**
 * Validates every option.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseDevFlags(flags: DevFlags): DevOptions {
  const { service = [], federate = [], json = false } = flags
  const trustDomain = parseName('--trust-domain', flags.trustDomain)
  if (service.length === 0) refuse('--service', 'none', 'at least one, such as production/core-api')
  const federatesWith = federate.map((name) => parseName('--federate', name))
  if (federatesWith.includes(trustDomain)) refuse('--federate', trustDomain, 'a trust domain other than our own')
  return {
    trustDomain,
    services: refuseRepeated('--service', service).map((name) => parseService(name, trustDomain)),
    ttlSeconds: parseTtl(flags.ttl),
    federatesWith: refuseRepeated('--federate', federatesWith),
    socket: flags.socket === undefined ? undefined : parseSocket(flags.socket),
    json,
  }
}

function parseName(option: string, text: string): string {
  try {
    return parseTrustDomain(text)
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error
    throw new ConfigurationError('option_invalid', `${option}: ${error.message}`, { value: text, cause: error })
  }
}

function parseService(text: string, trustDomain: string): DevService {
  const segments = text.split('/')
  const [namespace = '', serviceAccount = ''] = segments
  if (segments.length === 2 && isSegment(namespace) && isSegment(serviceAccount)) {
    const spiffeId = SpiffeId.parse(`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`)
    return { spiffeId: spiffeId.toString(), hint: text }
  }
  return refuse('--service', text, '<namespace>/<service account> with letters, digits, dots, dashes and underscores')
}

// SPIFFE-ID §2.2, checked here so that the message names the option.
function isSegment(text: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(text) && text !== '.' && text !== '..'
}

/** Our authority is valid for a year, but a long-lived SVID would not show whether a service handles rotation. */
const longestTtlSeconds = 24 * 3600

function parseTtl(text: string): number {
  const seconds = (readDuration(text) ?? 0) / 1000
  if (seconds >= 1 && seconds <= longestTtlSeconds) return seconds
  return refuse('--ttl', text, 'a time from 1s to 24h, such as 60s, 10m or 1h')
}

function parseSocket(text: string): DevSocket {
  if (text.startsWith('tcp:')) return { transport: 'tcp', endpoint: parseLoopback(text) }
  if (text === '' || /^[a-z]+:/.test(text)) {
    refuse('--socket', text, 'the path of a socket, such as /tmp/agent.sock, or tcp://127.0.0.1:<port>')
  }
  return { transport: 'unix', path: isAbsolute(text) ? text : resolve(text) }
}

// Every client gets private keys, so other hosts, and names that may resolve to one, are refused.
function parseLoopback(text: string): string {
  const [, digits = ''] = /^tcp:\/\/127\.0\.0\.1:(\d{1,5})$/.exec(text) ?? []
  if (digits !== '' && Number(digits) <= 65_535) return text
  return refuse('--socket', text, 'tcp://127.0.0.1:<port>, where port 0 means any free port')
}

function refuseRepeated(option: string, values: readonly string[]): readonly string[] {
  const repeated = values.find((value, index) => values.indexOf(value) !== index)
  return repeated === undefined ? values : refuse(option, `${repeated} twice`, 'each value once')
}

function refuse(option: string, found: string, expected: string): never {
  const shown = found.length > 80 ? `${found.slice(0, 79)}…` : found
  throw new ConfigurationError('option_invalid', `${option}: found '${shown}', expected ${expected}`, { value: found })
}
