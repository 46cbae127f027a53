import type { TLSSocket } from 'node:tls'
import type { Denial, Explanation } from '@countersign/authorization'
import { AdapterGuard } from './adapter-guard.ts'
import type { GuardTlsOptions } from './connection/tls-options.ts'
import type { ExplainQuestion } from './explain-question.ts'
import type { GuardOptions } from './guard-options.ts'
import type { Health } from './health.ts'
import type { Principal } from './principal/principal.ts'
import type { ProbeListener } from './probe-listener.ts'
import type { ProbeOptions } from './probe-options.ts'

/** Ties authentication and authorization of a service together. Made by `createGuard`. */
export interface Guard {
  /**
   * Returns the complete options for `https.createServer`, `http2.createSecureServer` or `Fastify({ https })`; add none of TLS,
   * change none. With several trust domains the server has no key, and refuses every handshake, until it is attached.
   */
  tlsOptions(): GuardTlsOptions
  /**
   * Takes a server under guard: verifies every peer before any HTTP is spoken, ends the connections of those that
   * prove nothing, decides each request by the rules before anything of a framework sees it, and follows the source.
   * The plugin of Fastify and `createServer` of Express do this by themselves.
   *
   * @throws {ConfigurationError} `server_unsuitable` for a server on which this would not hold; `registration_invalid`
   * for one that is attached already
   */
  attach(server: unknown): void
  /**
   * Who is on the other end of a connection of an attached server, at this moment: for protocols other than HTTP, where
   * each message that matters should ask anew. Gives the principal, or the denial, which is not reported. Never throws.
   */
  authenticate(socket: TLSSocket): Principal | Denial
  /**
   * The way of a connection that carries no HTTP: authentication, then the rules for the path `/` and no method. Gives
   * the principal, or the denial, which is reported already. Never throws, never waits.
   */
  admitConnection(socket: TLSSocket): Principal | Denial
  /** Decides a request that need not exist, and tells why, layer by layer. */
  explain(question: ExplainQuestion): Explanation
  /** How this service stands with its own certificate, for a health route or `probeListener`. */
  health(): Health
  /**
   * Answers health probes on a port of their own, for a kubelet that has no certificate: these paths and nothing else.
   *
   * @throws {ConfigurationError} `option_invalid` or `option_unknown` for an option that cannot be meant, also for a
   * port that cannot be listened on
   * @example
   * await guard.probeListener({ port: 8081, paths: { '/livez': 'live', '/readyz': 'ready' } })
   */
  probeListener(options: ProbeOptions): Promise<ProbeListener>
}

/**
 * Creates the object that ties a source of X.509 material to rules. Everything that cannot be what its author meant is
 * refused here, at start.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid SVID
 * @example
 * const guard = createGuard({ source, rules: [
 *   { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
 *   { path: '/internal/**', allow: authenticated() },
 * ] })
 */
export function createGuard(options: GuardOptions): Guard {
  return new AdapterGuard(options)
}
