import { createDenial, type Denial } from '@countersign/authorization'
import type { X509Svid } from '@countersign/spiffe'
import { isX509Svid } from '@countersign/spiffe/internal'
import { describeThrown } from '@countersign/spiffe/options'
import type { TrustState } from './connection/material-gate.ts'
import type { PeerVerdict } from './connection/connection.ts'
import type { ConnectedRequest } from './connection/connection-registry.ts'
import { describeEnd } from './connection/describe-end.ts'
import { callerOf } from './connection/describe-peer.ts'
import { injectedCaller, isInjectingSource } from './connection/injected-caller.ts'
import type { PeerConnections } from './connection/peer-connections.ts'
import type { Proof } from './connection/proof.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import { createPrincipal, createSubjectPrincipal } from './principal/create-principal.ts'
import { Principal } from './principal/principal.ts'

/** Authenticates requests: finds the connection of a request and returns its principal, or a denial. */
export class Authenticator {
  readonly #options: ParsedGuardOptions
  readonly #connections: PeerConnections
  // One principal per proof, so that `authorities` is called once per certificate. A dropped proof drops its principal
  // too.
  readonly #principals = new WeakMap<Proof, Principal>()
  // The last one, because most requests come from the same caller as the one before, and a weak map takes a fifth of
  // the time of a whole decision.
  #last: { readonly proof: Proof; readonly principal: Principal } | undefined

  constructor(options: ParsedGuardOptions, connections: PeerConnections) {
    this.#options = options
    this.#connections = connections
  }

  /** Returns the principal that sent this request, or a denial, as of `now` (epoch milliseconds). */
  authenticate(request: ConnectedRequest, trustState: TrustState | undefined, now: number): Principal | Denial {
    if (trustState === undefined) {
      return createDenial(
        'source_unavailable',
        'the source has no valid certificate, so no caller can be authenticated',
      )
    }
    const connection = this.#connections.registry.find(request)
    if (connection === undefined) return this.#authenticateInjected(request, trustState, now)
    return this.#judge(this.#connections.verdictOf(connection, trustState, now), now)
  }

  #authenticateInjected(request: ConnectedRequest, trustState: TrustState, now: number): Principal | Denial {
    if ('encrypted' in request.socket || request.httpVersionMajor >= 2) {
      return createDenial('guard_missing', 'the server is not attached; use createServer() or guard.attach(server)')
    }
    const { source } = this.#options
    const chain = isInjectingSource(source) ? source[injectedCaller]() : undefined
    if (chain === undefined) {
      return createDenial(
        'unauthenticated',
        'the request did not arrive over TLS, so its caller is not authenticated; create the server with createServer() or guard.tlsOptions(), and in tests send requests as a caller of the testkit',
      )
    }
    return this.#judge(this.#connections.verdicts.verifyChain(chain, trustState, now), now)
  }

  #judge(verdict: PeerVerdict, now: number): Principal | Denial {
    if (!verdict.ok) return createDenial('identity_invalid', `${verdict.reason}: ${verdict.detail}`)
    const { proof } = verdict
    if (now >= proof.expiresAt) {
      return createDenial('identity_expired', describeEnd(proof), { principal: callerOf(proof) })
    }
    if (this.#last?.proof === proof) return this.#last.principal
    const principal = this.#principals.get(proof) ?? this.#createPrincipal(proof)
    // Denials are not cached, so a function that failed is called again for the next request.
    if (principal instanceof Principal) {
      this.#principals.set(proof, principal)
      this.#last = { proof, principal }
    }
    return principal
  }

  #createPrincipal(proof: Proof): Principal | Denial {
    const { scope } = this.#options
    if (isX509Svid(proof)) return this.#createWorkload(proof)
    if (scope.kind === 'subject') return createSubjectPrincipal(proof, scope.identity)
    return createDenial('identity_invalid', 'found a certificate without a SPIFFE ID, expected an SVID')
  }

  #createWorkload(svid: X509Svid): Principal | Denial {
    try {
      return createPrincipal(svid, this.#options)
    } catch (error) {
      const message = describeThrown(error)
      return createDenial('evaluation_error', `the authorities of ${svid.spiffeId.toString()}: ${message}`, {
        principal: callerOf(svid),
      })
    }
  }
}
