import type { OutgoingHttpHeaders } from 'node:http'
import { ConfigurationError } from '@countersign/spiffe'
import { isCallable, isOptions, isRecord } from '@countersign/spiffe/options'
import { checkArgument, type OptionKind } from './check-options.ts'
import { type Injection, runWithChain } from './injected-chain.ts'
import type { TestSvid } from './svid.ts'

/**
 * A workload that calls an application without a network. The guard verifies its certificates as if they had come
 * over TLS, so a caller with a bad SVID is refused for the reason that it would be refused for on the wire.
 */
export class Caller {
  readonly #issue: () => Promise<TestSvid>
  #svid: Promise<TestSvid> | undefined

  /** Called by `Authority.as`. */
  constructor(issue: () => Promise<TestSvid>) {
    this.#issue = issue
  }

  /** The SVID that this caller shows. */
  svid(): Promise<TestSvid> {
    this.#svid ??= this.#issue()
    return this.#svid
  }

  /**
   * Sends one request through Fastify's `inject` as this caller. The guard's source must be one of the testkit's. The
   * caller counts for this one request, not for requests that its handler injects.
   *
   * @throws {ConfigurationError} `registration_invalid` when no guard decided the request, whatever was answered: a test
   * would pass without one
   * @example
   * const response = await authority.as('spiffe://saas.example/ns/production/sa/core-api').inject(app, '/internal/billing')
   * assert.equal(response.statusCode, 200)
   */
  async inject(app: InjectableApp, options: string | InjectOptions): Promise<InjectResponse> {
    checkArgument(app, 'inject', anApp)
    checkArgument(options, 'inject', someOptions)
    const { certificates } = await this.svid()
    // Start-up hooks may inject requests too, and they are not this caller's.
    await app.ready()
    // Fastify dispatches when `then` is called, so that has to happen in here.
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
      'inject: found a guard whose source cannot tell who is calling, expected createGuard({ source }) with a source of the testkit, such as await authority.source(…)',
    )
  }
}

/** What `inject` needs of an application; a Fastify instance has it. */
export interface InjectableApp {
  ready(): PromiseLike<unknown>
  inject(options: string | InjectOptions): PromiseLike<InjectResponse>
}

/** The part of the options of Fastify's `inject` that the testkit takes. */
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
  json(): unknown
}
