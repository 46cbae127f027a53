import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { GuardSource } from '../connection/material-gate.ts'
import { checkSource, parseTlsVersion } from '../connection/source-options.ts'
import type { MinVersion } from '../connection/tls-options.ts'
import type { CountersignEvent } from '../events.ts'
import { type ParsedServerNames, parseServerNames, type ServerNames } from './server-names.ts'

/** Options shared by every client. */
export interface DialerOptions {
  /**
   * The servers that may be called: SPIFFE IDs, or patterns in which a whole path segment may be `*` and the last may
   * be `**`. Host names are then ignored. For servers that have a host name and no SPIFFE ID, pass `{ dns: true, ca }`.
   */
  readonly servers: ServerNames
  readonly tls?: {
    /**
     * The lowest TLS version to accept. Default: `'TLSv1.3'`, which has no renegotiation and never sends certificates
     * in the clear.
     */
    readonly minVersion?: MinVersion
  }
  /**
   * Receives refused servers and source failures. Default: nothing is logged, because the caller gets an error and the
   * service's guard, if it has one, already reports its source. The events are always published on the diagnostics
   * channels.
   */
  readonly log?: (event: CountersignEvent) => void
}

/** The names of all dialer options. */
export const dialerOptionNames: readonly string[] = ['servers', 'tls', 'log']

/** Validated options. */
export interface ParsedDialerOptions {
  readonly source: GuardSource
  readonly names: ParsedServerNames
  readonly localTrustDomain: string | undefined
  readonly minVersion: MinVersion
  readonly log: (event: CountersignEvent) => void
}

/** Validates every option and applies the defaults. Error messages start with `where`. */
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
