import { ConfigurationError } from '@countersign/spiffe'
import { anAuthority, type Authority, createAuthority } from '../authority.ts'
import { aText, certificates, isListOf, type OptionKind, records } from '../check-options.ts'
import type { AgentFault } from './agent-faults.ts'
import type { FailOptions } from './fault-plan.ts'
import type { RegistrationEntry } from './registration-entry.ts'

/** Options of the embedded agent. Exactly one of `trustDomain`, `authority` and `authorities` specifies who issues. */
export interface AgentOptions {
  /** The name of a trust domain, for which an authority is created. */
  readonly trustDomain?: string
  readonly authority?: Authority
  /** One for each trust domain. */
  readonly authorities?: readonly Authority[]
  /** Default: none. Without entries, callers are denied. */
  readonly entries?: readonly RegistrationEntry[]
  /** `unix:///…` or `tcp://127.0.0.1:<port>`, with 0 for a free port. Default: a socket in a new temporary folder. */
  readonly endpoint?: string
  /** Certificate revocation lists, as DER. Default: none. */
  readonly crls?: readonly Buffer[]
  /** Active from the first call on. With `no_socket`, the socket appears late. Default: none. */
  readonly faults?: readonly StartFault[]
}

/** A fault that is active from the start. */
export interface StartFault extends FailOptions {
  readonly name: AgentFault
}

/** The types of the fields of `AgentOptions`. */
export const agentKinds: Readonly<Record<string, OptionKind>> = {
  trustDomain: aText,
  authority: anAuthority,
  authorities: [isListOf(anAuthority[0]), 'a list of awaited results of createAuthority()'],
  entries: records,
  endpoint: aText,
  crls: certificates,
  faults: records,
}

/**
 * Returns the authorities in the options, or creates one for `trustDomain`.
 *
 * @throws {SpiffeIdError} if the text is not a trust domain name
 * @throws {ConfigurationError} `option_invalid` unless exactly one option specifies them
 */
export async function findAuthorities(options: AgentOptions): Promise<readonly Authority[]> {
  const { trustDomain, authority, authorities } = options
  const found = Object.entries({ trustDomain, authority, authorities }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  )
  if (found.length !== 1) {
    const message = `options: found ${found.join(' and ') || 'no authority'}, expected one of trustDomain, authority and authorities`
    throw new ConfigurationError('option_invalid', message)
  }
  if (trustDomain !== undefined) return [await createAuthority(trustDomain)]
  return authority === undefined ? (authorities ?? []) : [authority]
}
