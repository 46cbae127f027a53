import { ConfigurationError } from '@countersign/spiffe'
import { anAuthority, type Authority, createAuthority } from '../authority.ts'
import { aText, certificates, isListOf, type OptionKind, records } from '../check-options.ts'
import type { AgentFault } from './agent-faults.ts'
import type { FailOptions } from './fault-plan.ts'
import type { RegistrationEntry } from './registration-entry.ts'

/** What the embedded agent is made of. Exactly one of `trustDomain`, `authority` and `authorities` says who issues. */
export interface AgentOptions {
  /** The name of a trust domain, for which an authority is made. */
  readonly trustDomain?: string
  readonly authority?: Authority
  /** One of each trust domain. */
  readonly authorities?: readonly Authority[]
  /** Default none: as long as there is none, callers are denied. */
  readonly entries?: readonly RegistrationEntry[]
  /** `unix:///…` or `tcp://127.0.0.1:<port>`, 0 for a free port; default a socket in a temporary folder of its own. */
  readonly endpoint?: string
  /** Certificate revocation lists, DER; default none. */
  readonly crls?: readonly Buffer[]
  /** In force from the first call on; with `no_socket` the socket comes late. Default none. */
  readonly faults?: readonly StartFault[]
}

/** A fault that the agent starts with. */
export interface StartFault extends FailOptions {
  readonly name: AgentFault
}

/** Of `AgentOptions`. */
export const agentKinds: Readonly<Record<string, OptionKind>> = {
  trustDomain: aText,
  authority: anAuthority,
  authorities: [isListOf(anAuthority[0]), 'a list of authorities made by createAuthority(), with await'],
  entries: records,
  endpoint: aText,
  crls: certificates,
  faults: records,
}

/**
 * The authorities that the options name, or for which they give a name.
 *
 * @throws {SpiffeIdError} for text that is no trust domain name
 * @throws {ConfigurationError} `option_invalid` unless exactly one option names them
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
