import type { OutgoingHttpHeaders } from 'node:http'
import { ConfigurationError } from '@countersign/spiffe'
import { isCallable, isOptions, isRecord } from '@countersign/spiffe/options'
import { checkArgument, type OptionKind } from './check-options.ts'
import { type Injection, runWithChain } from './injected-chain.ts'
import type { TestSvid } from './svid.ts'

/**
 * A workload that calls an application without a network. The guard verifies its certificates as if they had arrived
 * over TLS, so a caller with an invalid SVID is refused for the same reason as over the network.
 */
export class Caller {
  readonly #issue: () => Promise<TestSvid>
  #svid: Promise<TestSvid> | undefined

  /** Called by `Authority.as`. */
  constructor(issue: () => Promise<TestSvid>) {
    this.#issue = issue
  }

  /** Returns the SVID that this caller presents. */
  svid(): Promise<TestSvid> {
    this.#svid ??= this.#issue()
    return this.#svid
  }

  /**
   * Sends one request through Fastify's `inject` as this caller. The guard's source must be one of the testkit's. The
   * caller applies to this request only, not to requests that its handler injects.
   *
   * @throws {ConfigurationError} `registration_invalid` if no guard decided the request, whatever the response, because
   * the test would pass without a guard
   * @example
   * const response = await authority.as('spiffe://saas.example/ns/production/sa/core-api').inject(app, '/internal/billing')
   * assert.equal(response.statusCode, 200)
   */
  async inject(app: InjectableApp, options: string | InjectOptions): Promise<InjectResponse> {
    checkArgument(app, 'inject', anApp)
    checkArgument(options, 'inject', someOptions)
    const { certificates } = await this.svid()
    // Startup hooks may inject requests too, and those are not from this caller.
    await app.ready()
    // Fastify dispatches when `then` is called, so that has to happen inside.
    const injection = await runWithChain(certificates, async () => app.inject(options))
    refuseUnguarded(injection.outcome)
    return injection.result
  }
}

const anApp: OptionKind = [
  (value) => isRecord(value) && isCallable(value['inject']) && isCallable(value['ready']),
  'a Fastify instance; an Express application is tested by serve()',
]

const someOptions: OptionKind = [
  (value) => typeof value === 'string' || (isOptions(value) && typeof (value['url'] ?? value['path']) === 'string'),
  'a path, or the options of a request with its url',
]

function refuseUnguarded(outcome: Injection<unknown>['outcome']): void {
  if (outcome === 'unguarded') {
    throw new ConfigurationError(
      'registration_invalid',
      'inject: found an application that answered without a guard, expected one with `await app.register(countersign, { guard })` before its hooks and routes',
    )
  }
  if (outcome === 'unknown_source') {
    throw new ConfigurationError(
      'registration_invalid',
      'inject: found a guard whose source cannot identify callers without TLS, expected createGuard({ source }) with a source of the testkit, such as await authority.source(…)',
    )
  }
}

/** What `inject` needs of an application. A Fastify instance satisfies it. */
export interface InjectableApp {
  /** Resolves once all plugins are loaded. */
  ready(): PromiseLike<unknown>
  /** Handles a request without a network. */
  inject(options: string | InjectOptions): PromiseLike<InjectResponse>
}

/** The options of Fastify's `inject` that the testkit supports. */
export interface InjectOptions {
  readonly method?: string
  readonly url?: string
  readonly headers?: OutgoingHttpHeaders
  readonly query?: string | Record<string, string | string[]>
  readonly cookies?: Record<string, string>
  readonly payload?: string | object | Buffer
  readonly remoteAddress?: string
}

/** The response of Fastify's `inject`. */
export interface InjectResponse {
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: OutgoingHttpHeaders
  readonly body: string
  readonly payload: string
  readonly rawPayload: Buffer
  /** Parses the body as JSON. */
  json(): unknown
}
