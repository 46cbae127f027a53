import { Server as NetServer } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue } from '@countersign/spiffe/options'
import { hasAddedContexts, hasCallback, hasTicketKeys, readServerOption } from './node-internals.ts'
import type { OpensslVerdict } from './openssl-verdict.ts'
import { type MinVersion, secureOptions } from './tls-options.ts'

/**
 * Refuses a server whose settings would bypass the guard, even if they are intentional.
 *
 * @throws {ConfigurationError} `server_unsuitable`; the message names the setting, what was found and the fix
 */
export function checkServer(
  server: unknown,
  expected: {
    readonly minVersion: MinVersion
    readonly openssl: OpensslVerdict
    readonly isOurs: (value: unknown) => boolean
  },
): asserts server is TlsServer {
  if (!(server instanceof TlsServer)) {
    const found = server instanceof NetServer ? 'a server without TLS' : describeValue(server)
    refuse(`found ${found}, expected a server made with guard.tlsOptions()`)
  }
  const read = (name: string): unknown => readServerOption(server, name)
  if (read('requestCert') !== true) refuse('requestCert is not true; pass what guard.tlsOptions() returns, unchanged')
  const isOpensslRequired = expected.openssl === 'required'
  if (read('rejectUnauthorized') !== isOpensslRequired) refuse(describeRejection(isOpensslRequired))
  if (hasTicketKeys(server))
    refuse('ticketKeys keep session tickets valid, and a ticket authenticates anyone who holds it; remove them')
  const cert = read('cert')
  const isOurs = isOpensslRequired ? expected.isOurs(cert) : cert === undefined && read('key') === undefined
  if (!isOurs) {
    refuse(
      "the server's certificate is not what this guard's tlsOptions() returned; use its tlsOptions() unchanged, and not those of another guard or source",
    )
  }
  if (!expected.isOurs(read('ca')))
    refuse(
      "ca is not what this guard's tlsOptions() returned; use its tlsOptions() unchanged, and not those of another guard; authorities belong in the bundles of the source",
    )
  if (read('minVersion') !== expected.minVersion) {
    refuse(
      `minVersion is ${describeValue(read('minVersion'))}, expected '${expected.minVersion}'; set tls.minVersion of the guard instead`,
    )
  }
  const options = read('secureOptions')
  if (typeof options !== 'number' || (options & secureOptions) !== secureOptions) {
    refuse('secureOptions allow tickets or renegotiation; use guard.tlsOptions() unchanged')
  }
  for (const name of unsupported) {
    if (read(name) !== undefined)
      refuse(`${name} is ${describeValue(read(name))}, expected none, because the next rotation would drop it`)
  }
  if (hasAddedContexts(server)) refuse('addContext() was called; one SVID serves every name')
  if (hasCallback(server, 'snicallback')) refuse('SNICallback chooses other certificates; remove it')
  if (hasCallback(server, 'pskcallback')) refuse('pskCallback accepts peers without a certificate; remove it')
  for (const event of refusedListeners) {
    if (server.listenerCount(event) > 0) refuse(`a '${event}' listener resumes sessions; remove it`)
  }
}

function describeRejection(isOpensslRequired: boolean): string {
  return isOpensslRequired
    ? 'rejectUnauthorized: false accepts a peer before it is verified; use guard.tlsOptions() unchanged'
    : 'rejectUnauthorized is not false, but OpenSSL has no authorities here and would reject every peer; use guard.tlsOptions() unchanged'
}

// Node replaces all options when the certificate changes, so options that we do not pass would be lost.
const unsupported: readonly string[] = [
  'secureProtocol',
  'maxVersion',
  'ciphers',
  'sigalgs',
  'ecdhCurve',
  'dhparam',
  'crl',
  'pfx',
  'passphrase',
  'clientCertEngine',
  'privateKeyEngine',
]

/** Listeners that resume sessions, on TLS 1.2 even if tickets are disabled. */
export const refusedListeners: readonly string[] = ['newSession', 'resumeSession']

function refuse(finding: string): never {
  throw new ConfigurationError('server_unsuitable', `guard.attach: ${finding}`)
}
