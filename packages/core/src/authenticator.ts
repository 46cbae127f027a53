import { createDenial, type Denial } from '@countersign/authorization'
import { isX509Svid } from '@countersign/spiffe/internal'
import { describeThrown } from '@countersign/spiffe/options'
import type { TrustState } from './connection/material-gate.ts'
import type { Connection, PeerVerdict } from './connection/connection.ts'
import type { ConnectedRequest, ConnectionRegistry } from './connection/connection-registry.ts'
import { describeEnd } from './connection/describe-end.ts'
import { callerOf } from './connection/describe-peer.ts'
import { injectedCaller, isInjectingSource } from './connection/injected-caller.ts'
import type { PeerConnections } from './connection/peer-connections.ts'
import type { Proof } from './connection/proof.ts'
import { trustsAnyPeer } from './credential/credential-options.ts'
import { ForwardedIdentity } from './credential/forwarded-identity.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import type { RequestCredentials } from './credential/request-credentials.ts'
import type { Peer } from './credential/select-credential.ts'
import { TokenIdentity } from './credential/token-identity.ts'
import { challengeDenial, findChallenge } from './challenge-denial.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import type { PolicyPeer } from './request-policy-facts.ts'
import { createPrincipal, createSubjectPrincipal, type ProvenWorkload } from './principal/create-principal.ts'
import { Principal } from './principal/principal.ts'

/** A principal, null for an anonymous caller, a denial, or a credential whose verification has to wait. */
export type Authentication = Principal | null | Denial | PendingCredential

/** What an `Authenticator` uses. */
export interface AuthenticatorParts {
  readonly options: ParsedGuardOptions
  readonly connections: PeerConnections
  /** Undefined if only the certificates of peers count. */
  readonly credentials: RequestCredentials | undefined
  /** Returns whether a caller may be anonymous at a time (epoch milliseconds). */
  readonly isPermissive: (now: number) => boolean
}

/** Authenticates requests: finds what proves the caller of a request and returns its principal, or a denial. */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  // Read for every request.
  readonly #connections: PeerConnections
  readonly #registry: ConnectionRegistry
  readonly #credentials: RequestCredentials | undefined
  readonly #challenge: string
  // One principal per proof, so that `authorities` is called once per certificate. A dropped proof drops its principal
  // too.
  readonly #principals = new WeakMap<object, Principal>()
  // The last one, because most requests come from the same caller as the one before, and a weak map takes a fifth of
  // the time of a whole decision.
  #last: { readonly proof: Proof; readonly principal: Principal } | undefined

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
    this.#connections = parts.connections
    this.#registry = parts.connections.registry
    this.#credentials = parts.credentials
    this.#challenge = findChallenge(parts.options.credentials.jwtSvid !== undefined)
  }

  /** Returns the principal that sent this request, or a denial, as of `now` (epoch milliseconds). */
  authenticate(request: GuardedRequest, trustState: TrustState | undefined, now: number): Authentication {
    if (trustState === undefined) return sourceUnavailable()
    const connection = this.#registry.find(request)
    if (this.#credentials !== undefined) return this.#authenticateByCredential(request, connection, trustState, now)
    if (connection === undefined) return this.#authenticateInjected(request, trustState, now)
    return this.#judge(this.#connections.verdictOf(connection, trustState, now), now)
  }

  /** Returns the principal of a connection's peer, or a denial: nothing but its certificate counts. */
  authenticatePeer(request: ConnectedRequest, trustState: TrustState | undefined, now: number): Principal | Denial {
    if (trustState === undefined) return sourceUnavailable()
    const { connections, options } = this.#parts
    const connection = connections.registry.find(request)
    if (connection === undefined) return this.#authenticateInjected(request, trustState, now)
    const principal = this.#judge(connections.verdictOf(connection, trustState, now), now)
    const { verdict } = connection
    const { forwarded } = options.credentials
    if (forwarded === undefined || !verdict.ok) return principal
    if (forwarded.proxies !== undefined && forwarded.proxies.find(verdict.proof) === undefined) return principal
    return createDenial('unauthenticated', 'the peer is a proxy, and the connection does not name the caller behind it')
  }

  /** Returns the peer of a request, for policies that compare addresses. */
  findPolicyPeer(request: GuardedRequest, principal: Principal | null): PolicyPeer {
    const { connections, options } = this.#parts
    const connection = connections.registry.find(request)
    const socket = connection?.socket ?? request.socket
    if (trustsAnyPeer(options.credentials)) return { socket, kind: 'any' }
    if (principal?.proxy !== undefined) return { socket, kind: 'listed' }
    // A listed proxy that forwarded no caller.
    const verdict = connection?.verdict
    const isListed = verdict?.ok === true && options.credentials.forwarded?.proxies?.find(verdict.proof) !== undefined
    return { socket, kind: isListed ? 'listed' : 'direct' }
  }

  /** Returns whether a request came without a network, in a test. Its caller can be read only once. */
  isInjected(request: ConnectedRequest): boolean {
    const { connections, options } = this.#parts
    return isInjectingSource(options.source) && connections.registry.find(request) === undefined
  }

  /** Returns the denial that an anonymous caller receives: it has to authenticate first (RFC 9110 §15.5.2). */
  challenge(denial: Denial): Denial {
    return challengeDenial(denial, this.#challenge)
  }

  #authenticateByCredential(
    request: GuardedRequest,
    connection: Connection | undefined,
    trustState: TrustState,
    now: number,
  ): Authentication {
    const { credentials } = this.#parts
    const peer = this.#findPeer(request, connection, trustState, now)
    // Also removes the headers of proxies from a request that is denied, before anything else can see it.
    if ('effect' in peer) {
      credentials?.receive(request)
      return peer
    }
    const proven = credentials?.prove(request, peer, trustState, now) ?? 'nothing'
    if (proven instanceof PendingCredential) return proven
    if (proven === 'peer' && peer.kind === 'workload') return this.#findPrincipal(peer.proof)
    if (proven === 'peer' || proven === 'nothing') return this.#admitAnonymous(now)
    if (proven instanceof ForwardedIdentity) return this.#findForwarded(proven)
    if (proven instanceof TokenIdentity) return this.#findTokenPrincipal(proven)
    const { reason, detail, claimed } = proven
    // Not as `principal`: any client can claim a name, and denials with a principal are logged one by one.
    return createDenial(reason, claimed === undefined ? detail : `${detail}; the claimed name is ${claimed}`)
  }

  #findPeer(
    request: ConnectedRequest,
    connection: Connection | undefined,
    trustState: TrustState,
    now: number,
  ): Peer | Denial {
    const { connections, options } = this.#parts
    const isAny = trustsAnyPeer(options.credentials)
    if (connection === undefined && connections.registry.isPlaintext(request)) return isAny ? anyPeer : plaintext
    if (connection?.isWithoutCertificate === true) return isAny ? anyPeer : withoutCertificate
    const verdict =
      connection === undefined
        ? this.#verifyInjected(request, trustState, now)
        : connections.verdictOf(connection, trustState, now)
    if ('effect' in verdict) return verdict
    if (!verdict.ok || now >= verdict.proof.expiresAt) return refusePeer(verdict)
    if (isAny) return anyPeer
    const { proof } = verdict
    const proxy = options.credentials.forwarded?.proxies?.find(proof)
    return proxy === undefined ? { kind: 'workload', proof } : { kind: 'proxy', proof, proxy }
  }

  #admitAnonymous(now: number): Denial | null {
    if (this.#parts.isPermissive(now)) return null
    return createDenial('unauthenticated', 'the request has no credential that counts here', {
      challenge: this.#challenge,
    })
  }

  #authenticateInjected(request: ConnectedRequest, trustState: TrustState, now: number): Principal | Denial {
    const verdict = this.#verifyInjected(request, trustState, now)
    return 'effect' in verdict ? verdict : this.#judge(verdict, now)
  }

  #verifyInjected(request: ConnectedRequest, trustState: TrustState, now: number): PeerVerdict | Denial {
    if ('encrypted' in request.socket || request.httpVersionMajor >= 2) {
      return createDenial('guard_missing', 'the server is not attached; use createServer() or guard.attach(server)')
    }
    const { options, connections } = this.#parts
    const { source } = options
    const chain = isInjectingSource(source) ? source[injectedCaller]() : undefined
    if (chain === undefined) {
      return createDenial(
        'unauthenticated',
        'the request did not arrive over TLS, so its caller is not authenticated; create the server with createServer() or guard.tlsOptions(), and in tests send requests as a caller of the testkit',
      )
    }
    return connections.verdicts.verifyChain(chain, trustState, now)
  }

  // On the path of every request, so it allocates nothing for a known proof.
  #judge(verdict: PeerVerdict, now: number): Principal | Denial {
    if (!verdict.ok || now >= verdict.proof.expiresAt) return refusePeer(verdict)
    return this.#findPrincipal(verdict.proof)
  }

  #findPrincipal(proof: Proof): Principal | Denial {
    if (this.#last?.proof === proof) return this.#last.principal
    const principal = this.#principals.get(proof) ?? this.#createPrincipal(proof)
    // Denials are not cached, so a function that failed is called again for the next request.
    if (principal instanceof Principal) {
      this.#principals.set(proof, principal)
      this.#last = { proof, principal }
    }
    return principal
  }

  #findForwarded(identity: ForwardedIdentity): Principal | Denial {
    const { spiffeId, path, expiresAt, forwarder } = identity
    const [leaf] = path
    const credential = forwarder === undefined ? 'asserted' : 'forwarded'
    return this.#findCredentialPrincipal(identity, forwarder?.proof, (proxy) => ({
      spiffeId,
      credential,
      proxy,
      leaf,
      expiresAt,
    }))
  }

  #findTokenPrincipal(identity: TokenIdentity): Principal | Denial {
    const { svid, expiresAt, forwarder } = identity
    const { spiffeId } = svid
    return this.#findCredentialPrincipal(identity, forwarder?.proof, (proxy) => ({
      spiffeId,
      credential: 'jwt-svid',
      proxy,
      expiresAt,
    }))
  }

  #findCredentialPrincipal(
    identity: object,
    proxyProof: Proof | undefined,
    describe: (proxy: Principal | undefined) => ProvenWorkload,
  ): Principal | Denial {
    const known = this.#principals.get(identity)
    if (known !== undefined) return known
    const proxy = proxyProof === undefined ? undefined : this.#findPrincipal(proxyProof)
    if (proxy !== undefined && !(proxy instanceof Principal)) return proxy
    const principal = this.#createWorkload(describe(proxy))
    if (principal instanceof Principal) this.#principals.set(identity, principal)
    return principal
  }

  #createPrincipal(proof: Proof): Principal | Denial {
    const { scope } = this.#parts.options
    if (isX509Svid(proof)) return this.#createWorkload(proof)
    if (scope.kind === 'subject') return createSubjectPrincipal(proof, scope.identity)
    return createDenial('identity_invalid', 'found a certificate without a SPIFFE ID, expected an SVID')
  }

  #createWorkload(proven: ProvenWorkload): Principal | Denial {
    try {
      return createPrincipal(proven, this.#parts.options)
    } catch (error) {
      const name = proven.spiffeId.toString()
      const message = describeThrown(error)
      return createDenial('evaluation_error', `the authorities of ${name}: ${message}`, { principal: name })
    }
  }
}

// The denial for a peer that is not proven, or whose proof has expired.
function refusePeer(verdict: PeerVerdict): Denial {
  if (!verdict.ok) return createDenial('identity_invalid', `${verdict.reason}: ${verdict.detail}`)
  const { proof } = verdict
  return createDenial('identity_expired', describeEnd(proof), { principal: callerOf(proof) })
}

function sourceUnavailable(): Denial {
  return createDenial('source_unavailable', 'the source has no valid certificate, so no caller can be authenticated')
}

const plaintext: Peer = Object.freeze({ kind: 'plaintext' })
const withoutCertificate: Peer = Object.freeze({ kind: 'without-certificate' })
const anyPeer: Peer = Object.freeze({ kind: 'any' })
