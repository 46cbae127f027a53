import type { TLSSocket } from 'node:tls'
import {
  type CompiledRequirement,
  compileRouteRequirement,
  createDenial,
  type Denial,
  type Explanation,
  type RuleSet,
} from '@countersign/authorization'
import { ConfigurationError, SourceError } from '@countersign/spiffe'
import { isCallable } from '@countersign/spiffe/options'
import { type DenialAnswer, formatAnswer } from './answer.ts'
import { type AttachOptions, parseAttachOptions, type ParsedAttachOptions } from './attach-options.ts'
import { Authenticator } from './authenticator.ts'
import { describeMisuse, noRequest } from './check-request.ts'
import { MaterialGate } from './connection/material-gate.ts'
import { attachServer } from './connection/attach-server.ts'
import { isInjectingSource } from './connection/injected-caller.ts'
import { IssuedOptions } from './connection/issued-options.ts'
import { OwnExpiry } from './connection/own-expiry.ts'
import { PeerConnections } from './connection/peer-connections.ts'
import { SourceFollower } from './connection/source-follower.ts'
import { createRefusingTlsOptions, createTlsOptions, type GuardTlsOptions } from './connection/tls-options.ts'
import { EventLog } from './event-log.ts'
import type { CountersignEvent, Reporter } from './events.ts'
import { explainQuestion, type ExplainQuestion } from './explain-question.ts'
import type { Health } from './health.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { type GuardOptions, type ParsedGuardOptions, parseGuardOptions } from './guard-options.ts'
import { exactRouting, followListener, type ReadRouting, type RecognizeListener } from './listener-routing.ts'
import type { Principal } from './principal/principal.ts'
import { probeListener, type ProbeListener } from './probe-listener.ts'
import type { ProbeOptions } from './probe-options.ts'
import { RequestAdmission } from './request-admission.ts'
import { createServerGate } from './server-gate.ts'
import type { Guard } from './guard.ts'

/**
 * A guard with the methods that adapters call. `RequestAdmission` decides the requests. Exported as a type of
 * `@countersign/core/adapter`.
 */
export class AdapterGuard implements Guard {
  /** The compiled rules. */
  readonly rules: RuleSet
  /**
   * False when no rules were configured and every route decides by `perRoute()`. The framework then has to report its
   * routes.
   */
  readonly hasOwnRules: boolean
  readonly #options: ParsedGuardOptions
  readonly #events: EventLog
  readonly #report: Reporter
  readonly #material: MaterialGate
  readonly #connections: PeerConnections
  readonly #authenticator: Authenticator
  readonly #follower: SourceFollower
  readonly #requests: RequestAdmission
  readonly #recognizers = new Set<RecognizeListener>()
  readonly #attached = new WeakSet<object>()
  readonly #tlsOptions: IssuedOptions

  constructor(options: GuardOptions) {
    const parsed = parseGuardOptions(options)
    this.#options = parsed
    this.rules = parsed.rules
    this.hasOwnRules = parsed.hasOwnRules
    this.#events = new EventLog(parsed.log)
    this.#report = (event, wasAuthenticated) => this.#events.report(event, wasAuthenticated)
    this.#material = new MaterialGate(parsed.source, parsed, this.#report)
    this.#tlsOptions = new IssuedOptions(parsed.minVersion, this.#material.openssl)
    this.#connections = new PeerConnections(this.#report, parsed)
    this.#authenticator = new Authenticator(parsed, this.#connections)
    this.#requests = new RequestAdmission({
      rules: parsed.rules,
      material: this.#material,
      authenticator: this.#authenticator,
      registry: this.#connections.registry,
      report: this.#report,
    })
    const ownExpiry = new OwnExpiry((expiring) =>
      this.#report({ type: 'source', outcome: 'expiring', at: Date.now(), ...expiring }),
    )
    this.#follower = new SourceFollower({
      source: parsed.source,
      material: this.#material,
      onChange: (trustState) => {
        this.#connections.endUnproved(trustState)
        // A log function may replace the material of the source, so read it again.
        ownExpiry.watch(this.#material.current(Date.now()), Date.now())
      },
      onNotice: (notice) => this.#report({ type: 'source', ...notice }),
      onEnd: () => {
        ownExpiry.watch(undefined, Date.now())
        this.#events.flush()
      },
    })
    this.#requireMaterial()
  }

  tlsOptions(): GuardTlsOptions {
    return this.#tlsOptions.create(this.#requireMaterial())
  }

  /** Attaches a server as applications do. `options` describe how the framework behind it reads and routes requests. */
  attach(server: unknown, options: AttachOptions = {}): void {
    const attachOptions = parseAttachOptions(options)
    const { minVersion, source } = this.#options
    if (isObject(server) && this.#attached.has(server)) {
      throw new ConfigurationError(
        'registration_invalid',
        'guard.attach: the server is already attached; attach each server once',
      )
    }
    const checked = this.#tlsOptions.check(server)
    attachServer(checked, {
      connections: this.#connections,
      openssl: this.#material.openssl,
      latest: (now) => this.#material.latest(now),
      follow: (apply) =>
        this.#follower.add((trustState) => {
          apply(
            trustState === undefined ? createRefusingTlsOptions(minVersion) : createTlsOptions(trustState, minVersion),
          )
        }),
      admit: createServerGate({
        admit: this.#createServerAdmission(
          attachOptions,
          attachOptions.routing ?? followListener(checked, this.#recognizers),
        ),
        answer: (denial, request) => this.answer(denial, request),
        markUpgraded: (request) => this.#connections.expiry.markWithoutHttp(request),
      }),
      decidesAlone: !this.rules.rules.some(({ allow }) => allow.deferToRoute),
      isLoopbackOnly: isInjectingSource(source),
    })
    this.#attached.add(checked)
  }

  /** Returns whether this guard is attached to a server. */
  isAttachedTo(server: object): boolean {
    return this.#attached.has(server)
  }

  /**
   * Decides a request in four layers: canonical target, authentication, rules, the route's own requirement. Each layer
   * can only take access away.
   *
   * Returns the principal of an allowed request, or a denial that is already reported. A decision that an attached
   * server made under the same routing is not made again. Never throws and never waits.
   */
  admit(request: GuardedRequest, routing: RequestRouting = exactRouting): Principal | Denial {
    const misuse = describeMisuse(request)
    if (misuse !== undefined) return this.#requests.deny(noRequest, null, 'evaluation_error', misuse)
    return this.#requests.admit(request, routing)
  }

  /**
   * Decides only the route's own requirement, for a request that an attached server has already admitted. Returns
   * undefined if `admit` has to decide: the method or target has changed since, or no attached server saw the request.
   *
   * @param received the request as Node emitted it; `request` may be a view of it
   */
  readmit(
    received: object,
    request: GuardedRequest,
    routeAllow?: CompiledRequirement,
    hasEmptyParameter?: boolean,
  ): Principal | Denial | undefined {
    return this.#requests.readmit(received, request, routeAllow, hasEmptyParameter)
  }

  /**
   * Stores a record of the adapter with the decision of the attached server; `findRecord` returns it. Returns false, and
   * stores nothing, if no attached server has decided this request.
   *
   * For frameworks that change the prototype of each request, as Express does: V8 then gives every request a hidden class
   * of its own, and adding a property to it costs about 1 µs.
   */
  keepRecord(request: object, record: unknown): boolean {
    return this.#requests.keepRecord(request, record)
  }

  /**
   * Registers a function that reports how a request listener reads paths. For frameworks whose applications can be
   * served by any server.
   */
  recognize(recognize: RecognizeListener): void {
    this.#recognizers.add(recognize)
  }

  authenticate(socket: TLSSocket): Principal | Denial {
    if (!isObject(socket)) return createDenial('guard_missing', 'found no socket, expected the socket of a connection')
    const now = Date.now()
    return this.#authenticator.authenticate({ httpVersionMajor: 1, socket }, this.#material.latest(now), now)
  }

  admitConnection(socket: TLSSocket): Principal | Denial {
    const request = { httpVersionMajor: 1, socket, headers: {}, rawHeaders: [] }
    this.#connections.expiry.markWithoutHttp(request)
    return this.#requests.admitConnection(request, this.authenticate(socket))
  }

  /** Decides the route's own requirement after `admit`, for routers that choose the route later. */
  admitRoute(request: GuardedRequest, principal: Principal, requirement: CompiledRequirement): Principal | Denial {
    return this.#requests.admitRoute(request, principal, requirement)
  }

  /** Denies a request for a reason that only the adapter can see, and reports the denial. */
  deny(request: GuardedRequest, principal: Principal, reason: Denial['reason'], detail: string): Denial {
    return this.#requests.deny(request, principal, reason, detail)
  }

  /**
   * Returns the answer to a denied request. Returns undefined if the connection's peer is no longer verified; the
   * connection is then closed without an answer.
   */
  answer(denial: Denial, request: GuardedRequest): DenialAnswer | undefined {
    if (this.#connections.expiry.closeUnproved(request, denial.reason)) return undefined
    return formatAnswer(denial, this.#options.formatDenial)
  }

  /**
   * Compiles a route's requirement: a `Requirement` or a list of caller patterns.
   *
   * @throws {ConfigurationError} the message starts with `where` and states what was found and what was expected
   */
  compileRoute(allow: unknown, where: string): CompiledRequirement {
    const { localTrustDomain, callers } = this.#options
    return compileRouteRequirement(allow, { where, localTrustDomain, callers })
  }

  explain(question: ExplainQuestion): Explanation {
    return explainQuestion(question, this.#options)
  }

  health(): Health {
    return this.#events.health.read(this.#material, Date.now())
  }

  probeListener(options: ProbeOptions): Promise<ProbeListener> {
    return probeListener(this, options)
  }

  /** Sets the framework's logger as the log, unless `createGuard` was given `log`. */
  useDefaultLog(log: (event: CountersignEvent) => void): void {
    if (!isCallable(log)) throw new ConfigurationError('option_invalid', 'guard.useDefaultLog: expected a function')
    this.#events.useDefaultLog(log)
  }

  #requireMaterial(): NonNullable<ReturnType<MaterialGate['current']>> {
    const trustState = this.#material.current(Date.now())
    if (trustState !== undefined) return trustState
    throw new SourceError(
      'source_expired',
      'the source has no valid certificate, and the guard cannot start without one',
    )
  }

  #createServerAdmission(
    { routesUpgrade, routesRequest }: ParsedAttachOptions,
    readRouting: ReadRouting,
  ): (request: GuardedRequest, event: string) => Principal | Denial {
    return (request, event) => {
      try {
        const routing = readRouting(request)
        const isRouteToCome = event === 'request' ? routesRequest() : event === 'upgrade' && routesUpgrade()
        return this.#requests.admitOnServer(request, {
          routing,
          isRoutingKnown: routing !== exactRouting,
          isRouteToCome,
        })
      } catch (error) {
        // An adapter reads framework data that can be anything, and an exception inside `emit` would end the process.
        return this.#requests.deny(request, null, 'evaluation_error', `the adapter: ${String(error)}`)
      }
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
