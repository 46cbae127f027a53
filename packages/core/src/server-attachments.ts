import { type Server as HttpServer, ServerResponse } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import type { Server as NetServer } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { createDenial, type Denial } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe'
import type { DenialAnswer } from './answer.ts'
import { type AttachOptions, parseAttachOptions, type ParsedAttachOptions } from './attach-options.ts'
import { attachPlaintextServer, isPlaintextServer } from './connection/attach-plaintext.ts'
import { attachServer } from './connection/attach-server.ts'
import { isInjectingSource } from './connection/injected-caller.ts'
import { IssuedOptions } from './connection/issued-options.ts'
import { keepHeaders } from './connection/keep-headers.ts'
import type { TrustState } from './connection/material-gate.ts'
import { requireLoopback } from './connection/require-loopback.ts'
import type { RequestGate } from './connection/request-gate.ts'
import { createRefusingTlsOptions, createTlsOptions, type GuardTlsOptions } from './connection/tls-options.ts'
import { trustsAnyPeer } from './credential/credential-options.ts'
import type { PendingCredential } from './credential/pending-credential.ts'
import type { Verdict } from './decision-outcomes.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import type { GuardParts } from './guard-parts.ts'
import type { GuardedRequest } from './guarded-request.ts'
import { exactRouting, followListener, type ReadRouting, type RecognizeListener } from './listener-routing.ts'
import { createMigrationListener } from './migration/migration-listener.ts'
import { type GuardMigrationOptions, parseMigrationOptions } from './mode-options.ts'
import { type Finding, startupFindings } from './review.ts'
import { type AdmittedExchange, createServerGate } from './server-gate.ts'

/** What attached servers need of the guard. */
export interface AttachmentContext {
  readonly options: ParsedGuardOptions
  readonly parts: GuardParts
  /** Returns the answer to a denied request. Undefined if its connection is closed without one. */
  readonly answer: (denial: Denial, request: GuardedRequest) => DenialAnswer | undefined
  /** Reviews a server that begins to listen. */
  readonly review: (server: NetServer) => readonly Finding[]
}

/** The servers that a guard is attached to. */
export class ServerAttachments {
  readonly #context: AttachmentContext
  readonly #tlsOptions: IssuedOptions
  readonly #recognizers = new Set<RecognizeListener>()
  readonly #migrationListeners = new Set<object>()
  readonly #attached = new WeakSet<object>()
  readonly #reported = new Set<string>()
  #hasStarted = false

  constructor(context: AttachmentContext) {
    this.#context = context
    this.#tlsOptions = new IssuedOptions(context.options.minVersion, context.parts.material.openssl)
  }

  /** Returns the TLS options for a server. */
  createTlsOptions(trustState: TrustState): GuardTlsOptions {
    return this.#tlsOptions.create(trustState)
  }

  /** Registers a function that reports how a request listener reads paths. */
  recognize(recognize: RecognizeListener): void {
    this.#recognizers.add(recognize)
  }

  /** Returns whether a server is attached. */
  has(server: object): boolean {
    return this.#attached.has(server)
  }

  /**
   * Returns whether the peers of every server have to be on loopback, because each of them may claim to be any caller or
   * because the source was made for tests.
   */
  get isLoopbackOnly(): boolean {
    const { credentials, source } = this.#context.options
    return isInjectingSource(source) || trustsAnyPeer(credentials)
  }

  /** Describes why a server cannot be behind a migration listener, or returns undefined. */
  #describeUnsuitable(server: object): string | undefined {
    if (!this.#attached.has(server)) {
      return 'found a server that is not attached, expected one made with createServer() or attached with guard.attach()'
    }
    const { forwarded } = this.#context.options.credentials
    if (forwarded === undefined || forwarded.proxies !== undefined) return undefined
    // It listens for the network, and the callers of plaintext connections would be such peers.
    return 'found a guard with dangerouslyTrustAnyPeer, with which every plaintext caller could claim to be any caller; use another guard and listener for the proxy'
  }

  /**
   * Attaches a server.
   *
   * @throws {ConfigurationError} `registration_invalid` or `server_unsuitable`
   */
  attach(server: unknown, input: AttachOptions): void {
    const options = parseAttachOptions(input)
    if (typeof server === 'object' && server !== null && this.#attached.has(server)) {
      throw new ConfigurationError(
        'registration_invalid',
        'guard.attach: the server is already attached; attach each server once',
      )
    }
    const checked = this.#check(server)
    const { parts, options: guardOptions, answer } = this.#context
    const { connections } = parts
    const readRouting = options.routing ?? followListener(checked, this.#recognizers)
    const admit = createServerGate({
      admit: this.#createAdmission(options, readRouting),
      answer,
      markUpgraded: (request) => connections.expiry.markWithoutHttp(request),
      begin: needsBegin(guardOptions) ? (exchange) => this.#begin(exchange) : undefined,
    })
    if (checked instanceof TlsServer) {
      if (this.#isSidecar)
        requireLoopback(checked, 'the format xfcc and dangerouslyTrustAnyPeer, which are for a sidecar')
      this.#attachTls(checked, admit)
    } else if (isPlaintextServer(checked)) {
      const follow = (): (() => void) => parts.follower.add(() => undefined)
      attachPlaintextServer(checked, { connections, admit, follow })
    }
    if (readsHeaders(guardOptions)) keepHeaders(checked)
    if (checked.listening) this.#start(checked)
    checked.prependListener('listening', () => this.#start(checked))
    this.#attached.add(checked)
  }

  /** The number of listeners that accept TLS and plaintext on one port. */
  get migrationListeners(): number {
    return this.#migrationListeners.size
  }

  /** Creates such a listener; see `Guard.migrationListener`. */
  createMigrationListener(server: TlsServer, options: GuardMigrationOptions): HttpServer {
    const { connections, modes } = this.#context.parts
    const unsuitable = this.#describeUnsuitable(server)
    if (unsuitable !== undefined)
      throw new ConfigurationError('server_unsuitable', `guard.migrationListener: ${unsuitable}`)
    const listener = createMigrationListener(server, {
      ...parseMigrationOptions(options),
      onPlaintext: (socket) => connections.registry.addPlaintext(socket),
      isOpen: () => modes.isPermissive(Date.now()),
    })
    // Before the listener of `createMigrationListener`, which starts the TLS server.
    listener.prependListener('listening', () => {
      this.#migrationListeners.add(listener)
      this.reportFindings(server)
    })
    listener.on('close', () => this.#migrationListeners.delete(listener))
    return listener
  }

  #start(server: NetServer): void {
    const { parts, options } = this.#context
    if (options.revisions.hasPolicies && !this.#hasStarted) {
      parts.events.report({ type: 'policy', at: Date.now(), ...options.revisions.describe() })
    }
    this.#hasStarted = true
    parts.modes.start()
    this.reportFindings(server)
  }

  /** Reports the findings of a review that concern the start of a server, each of them once. */
  reportFindings(server: NetServer): void {
    const { parts, review } = this.#context
    for (const { id, severity, found, expected, remedy } of review(server)) {
      const detail = `found ${found}, expected ${expected}; ${remedy}`
      if (!startupFindings.has(id) || this.#reported.has(detail)) continue
      this.#reported.add(detail)
      parts.events.report({ type: 'review', at: Date.now(), id, severity, detail })
    }
  }

  // Istio's sidecar reaches the application on loopback. From any other address, any peer could have sent the header.
  get #isSidecar(): boolean {
    const { credentials } = this.#context.options
    return trustsAnyPeer(credentials) && credentials.forwarded?.format === 'xfcc'
  }

  // Without TLS, only a guard that trusts any peer makes sense, and only on loopback.
  #check(server: unknown): NetServer {
    const isAny = trustsAnyPeer(this.#context.options.credentials)
    return isAny && isPlaintextServer(server) ? server : this.#tlsOptions.check(server)
  }

  #attachTls(server: TlsServer, admit: RequestGate): void {
    const { parts, options } = this.#context
    const { connections, material, follower } = parts
    const { minVersion, revisions, source } = options
    attachServer(server, {
      connections,
      openssl: material.openssl,
      latest: (now) => material.latest(now),
      follow: (apply) =>
        follower.add((trustState) => {
          apply(
            trustState === undefined ? createRefusingTlsOptions(minVersion) : createTlsOptions(trustState, minVersion),
          )
        }),
      admit,
      decidesAlone: !revisions.latest.full.rules.rules.some(({ allow }) => allow.deferToRoute),
      isLoopbackOnly: isInjectingSource(source),
    })
  }

  #createAdmission(
    { routesUpgrade, routesRequest }: ParsedAttachOptions,
    readRouting: ReadRouting,
  ): (request: GuardedRequest, event: string) => Verdict | PendingCredential | Promise<Verdict> {
    const { requests } = this.#context.parts
    return (request, event) => {
      try {
        const routing = readRouting(request)
        const isRouteToCome = event === 'request' ? routesRequest() : event === 'upgrade' && routesUpgrade()
        return requests.admitOnServer(request, {
          routing,
          isRoutingKnown: routing !== exactRouting,
          isRouteToCome,
          hasResponse: event !== 'upgrade' && event !== 'connect',
        })
      } catch (error) {
        // An adapter reads framework data that can be anything, and an exception inside `emit` would end the process.
        return requests.refuse(request, createDenial('evaluation_error', `the adapter: ${String(error)}`))
      }
    }
  }

  // A credential other than the peer's certificate may end while the exchange runs.
  #begin({ event, request, response, principal }: AdmittedExchange): void {
    const { exchanges, modes, requests } = this.#context.parts
    if (principal === null || !principal.credential.startsWith('x509-')) {
      const expiresAt = principal?.expiresAt ?? modes.permissiveUntil
      exchanges.watch(response, expiresAt, () => requests.findEnd(request, principal))
    }
    // Whether anything was left to publish is decided then, because the mode may end at any moment.
    if (this.#context.options.auditUntil !== undefined && event !== 'upgrade' && event !== 'connect') {
      onClose(response, () => requests.publishAtClose(request))
    }
  }
}

function readsHeaders({ credentials }: ParsedGuardOptions): boolean {
  return credentials.forwarded !== undefined || credentials.jwtSvid !== undefined
}

function needsBegin({ credentials, permissive, auditUntil }: ParsedGuardOptions): boolean {
  const { forwarded, jwtSvid } = credentials
  return forwarded !== undefined || jwtSvid !== undefined || permissive !== undefined || auditUntil !== undefined
}

function onClose(response: unknown, listener: () => void): void {
  if (response instanceof ServerResponse || response instanceof Http2ServerResponse) response.once('close', listener)
}
