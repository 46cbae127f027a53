import type { TrustState } from '../connection/material-gate.ts'
import { CarriedCredentials, type CarryingRequest } from './carried-credentials.ts'
import type { CredentialRefusal } from './credential-refusal.ts'
import type { ForwardedIdentity, ForwardedVerifier, Forwarder, StatedIdentity } from './forwarded-identity.ts'
import type { PendingCredential } from './pending-credential.ts'
import type { HeaderNames } from './header-names.ts'
import { type Peer, selectCredential } from './select-credential.ts'
import type { StatedToken, TokenIdentity, TokenVerifier } from './token-identity.ts'

/** The verifiers of a guard that accepts more than the certificates of its peers. */
export interface CredentialVerifiers {
  readonly names: HeaderNames
  /** Undefined if the guard accepts no forwarded identities. */
  readonly forwarded: ForwardedVerifier | undefined
  /** Undefined if the guard accepts no tokens. */
  readonly tokens: TokenVerifier | undefined
}

/**
 * What proves the caller of a request: the certificate of its peer, another credential, or nothing. A refusal means that
 * the credential that counts is invalid.
 */
export type ProvenCredential =
  | 'peer'
  | 'nothing'
  | ForwardedIdentity
  | TokenIdentity
  | CredentialRefusal
  | PendingCredential

/** Finds and verifies the credential that counts for a request. */
export class RequestCredentials {
  readonly #verifiers: CredentialVerifiers

  constructor(verifiers: CredentialVerifiers) {
    this.#verifiers = verifiers
  }

  /** Reads the credentials of a request, and removes the headers that no handler may see. Later calls do nothing. */
  receive(request: CarryingRequest): void {
    CarriedCredentials.of(request, this.#verifiers.names)
  }

  /** Verifies the credential that counts for a request of this peer, as of `now` (epoch milliseconds). */
  prove(request: CarryingRequest, peer: Peer, trustState: TrustState, now: number): ProvenCredential {
    const { forwarded, tokens, names } = this.#verifiers
    const carried = CarriedCredentials.of(request, names)
    const forwarder: Forwarder | undefined = peer.kind === 'proxy' ? peer : undefined
    let stated: StatedIdentity | undefined
    let token: StatedToken | undefined
    const selection = selectCredential(peer, {
      hasForwarded: () => {
        stated = forwarded?.inspect(carried)
        return stated !== undefined && stated.claim.kind !== 'none'
      },
      hasToken: () => (token = tokens?.inspect(carried)) !== undefined,
    })
    if (selection === 'both') return both
    if (selection === 'peer' || selection === 'nothing') return selection
    if (selection === 'token') {
      if (tokens === undefined || token === undefined) return 'nothing'
      return tokens.verify(token, carried, forwarder, now)
    }
    if (forwarded === undefined || stated === undefined) return 'nothing'
    return forwarded.verify(stated, forwarder, trustState, now)
  }
}

const both: CredentialRefusal = Object.freeze({
  reason: 'forwarding_not_allowed',
  detail: 'the proxy forwarded a certificate and a token at once, expected one of them',
})
