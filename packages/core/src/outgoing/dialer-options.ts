import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { GuardSource } from '../connection/material-gate.ts'
import { checkSource, parseTlsVersion } from '../connection/source-options.ts'
import type { MinVersion } from '../connection/tls-options.ts'
import type { CountersignEvent } from '../events.ts'
import { type ParsedServerNames, parseServerNames, type ServerNames } from './server-names.ts'

/** What every way of calling others takes. */
export interface DialerOptions {
  /**
   * The servers that may be called: SPIFFE IDs, or patterns in which a whole path segment may be `*` and the last `**`.
   * Host names play no part then. Or `{ dns: true, ca }`, for servers that have a host name and no SPIFFE ID.
   */
  readonly servers: ServerNames
  readonly tls?: {
    /** Default `'TLSv1.3'`: it has no renegotiation, and no certificate is sent in the clear. */
    readonly minVersion?: MinVersion
  }
  /**
   * Receives refused servers and failures of the source. Default: nothing is written, because whoever calls gets an
   * error, and because the guard of a service that has one reports its source. They are published on the diagnostics
   * channels in any case.
   */
  readonly log?: (event: CountersignEvent) => void
}

/** The names of all options of a dialer. */
export const dialerOptionNames: readonly string[] = ['servers', 'tls', 'log']

/** Options that cannot be wrong any more. */
export interface ParsedDialerOptions {
  readonly source: GuardSource
  readonly names: ParsedServerNames
  readonly localTrustDomain: string | undefined
  readonly minVersion: MinVersion
  readonly log: (event: CountersignEvent) => void
}

/** Checks every option and fills in the defaults; `where` begins the message of an error. */
export function parseDialerOptions(source: unknown, options: DialerOptions, where: string): ParsedDialerOptions {
  checkSource(source, `${where}: source`)
  const { servers, tls, log = () => undefined } = parseOptions(options, dialerOptionNames, where)
  if (!isLog(log)) refuseValue(`${where}: log`, log, 'a function')
  const material = source.current
  return {
    source,
    names: parseServerNames(servers, material, where),
    localTrustDomain: material.kind === 'subject' ? undefined : material.svid.spiffeId.trustDomain,
    minVersion: parseTlsVersion(tls, `${where}: tls`),
    log,
  }
}

function isLog(value: unknown): value is (event: CountersignEvent) => void {
  return isCallable(value)
}
