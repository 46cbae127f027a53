import type { Server as HttpServer } from 'node:http'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import type { AccessMatrix, Denial, Explanation } from '@countersign/authorization'
import { AdapterGuard } from './adapter-guard.ts'
import type { MatrixQuestion } from './answer-matrix.ts'
import type { AuditReport } from './audit-counts.ts'
import type { GuardTlsOptions } from './connection/tls-options.ts'
import type { ExplainQuestion } from './explain-question.ts'
import type { GuardOptions } from './guard-options.ts'
import type { Health } from './health.ts'
import type { Readiness } from './migration/readiness-table.ts'
import type { GuardMigrationOptions } from './mode-options.ts'
import type { Principal } from './principal/principal.ts'
import type { ProbeListener } from './probe-listener.ts'
import type { ProbeOptions } from './probe-options.ts'
import type { Finding } from './review.ts'

/** Authenticates and authorizes the requests of a service. Created by `createGuard`. */
export interface Guard {
  /**
   * Returns the complete TLS options for `https.createServer`, `http2.createSecureServer` or `Fastify({ https })`. Use
   * them unchanged and add no other TLS options. With several trust domains the server has no key, and refuses every
   * handshake, until it is attached.
   */
  tlsOptions(): GuardTlsOptions
  /**
   * Attaches a server. From then on the guard verifies every peer before any HTTP is exchanged and closes connections
   * whose peer is not verified. It decides each request by the rules before the framework receives it, and installs new
   * certificates from the source. The Fastify plugin and Express's `createServer` call this for you.
   *
   * @throws {ConfigurationError} `server_unsuitable` if the server's settings would bypass the guard;
   * `registration_invalid` if the server is already attached
   */
  attach(server: unknown): void
  /**
   * Returns the current principal of a connection to an attached server, or a denial, which is not reported. For
   * protocols other than HTTP: call it again for each message that matters. Never throws.
   */
  authenticate(socket: TLSSocket): Principal | Denial
  /**
   * Decides a connection that carries no HTTP: authenticates it, then applies the rules to the path `/` and an empty
   * method. Returns the principal, or a denial that is already reported. Never throws and never waits.
   *
   * The connection then closes when its caller's certificate expires, whatever the value of `onExpiry`.
   */
  admitConnection(socket: TLSSocket): Principal | Denial
  /** Explains, layer by layer, how a hypothetical request would be decided. */
  explain(question: ExplainQuestion): Explanation
  /**
   * Returns who may call what: the callers that rules and policies name, each class of callers that a wildcard covers,
   * and the routes of the application, or the patterns of rules and policies.
   *
   * Decides each cell, which blocks the event loop: about a second for thousands of patterns. Use `simulateGuard` in a
   * tool then.
   *
   * @throws {ConfigurationError} if the question is not valid, or the matrix would have over two million cells
   * @example guard.accessMatrix({ routes: [{ method: 'GET', path: '/invoices/:id' }] })
   */
  accessMatrix(question?: MatrixQuestion): AccessMatrix
  /**
   * Returns which callers are ready for strict mode, by route, since the process started. Undefined if the guard started
   * without permissive mode.
   */
  readiness(): Readiness | undefined
  /**
   * Answers the checklist of a security review from the running configuration, the server and its open connections.
   * Returns no findings if there is nothing to decide.
   */
  review(server: unknown): readonly Finding[]
  /** Returns what audit mode let through since the process started. */
  auditReport(): AuditReport
  /**
   * Returns a server that accepts TLS and plaintext on one port, for a migration: TLS connections are those of `server`,
   * and the callers of plaintext connections are anonymous. Plaintext is accepted only while permissive mode lasts. The
   * server does not listen yet.
   *
   * @throws {ConfigurationError} `server_unsuitable` if `server` is not attached, or with `dangerouslyTrustAnyPeer`
   * @example guard.migrationListener(createServer(guard, app)).listen(8080)
   */
  migrationListener(server: TlsServer, options?: GuardMigrationOptions): HttpServer
  /** Returns the state of this service's own certificate, for a health route or `probeListener`. */
  health(): Health
  /**
   * Answers health probes on a separate plain-HTTP port, for a kubelet that has no certificate. It serves the given
   * paths and nothing else.
   *
   * @throws {ConfigurationError} `option_invalid` or `option_unknown` if an option is invalid, or if the port is not
   * available
   * @example
   * await guard.probeListener({ port: 8081, paths: { '/livez': 'live', '/readyz': 'ready' } })
   */
  probeListener(options: ProbeOptions): Promise<ProbeListener>
}

/**
 * Creates a guard from a source of X.509 material and rules. Rejects invalid options at startup.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {SourceError} if the source has no valid SVID
 * @example
 * const guard = createGuard({ source, rules: [
 *   { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
 *   { path: '/internal/**', allow: authenticated() },
 * ] })
 */
export function createGuard(options: GuardOptions): Guard {
  return new AdapterGuard(options)
}
