import { serverUnexpected } from '@countersign/spiffe/internal'
import type { PeerRefusal } from '../connection/connection.ts'
import { CallError } from '../errors.ts'

/** Creates the error for a call whose server was refused. `expected` names the servers that were to be called. */
export function createRefusalError(server: string, why: PeerRefusal, expected: string): CallError {
  const { reason, detail, spiffeId } = why
  if (reason === serverUnexpected) {
    const message = `${server} is trusted, but is not one of the expected servers: ${detail}`
    return new CallError('server_unexpected', message, { reason, server, spiffeId })
  }
  const claim = spiffeId === undefined ? '' : `; it claims to be ${spiffeId}`
  const message = `${server} is not trusted (${reason}): ${detail}${claim}; expected a valid certificate of ${expected}`
  return new CallError('server_untrusted', message, { reason, server, spiffeId })
}

/** Creates the error for a call through a closed agent, which would no longer receive rotated certificates. */
export function createClosedError(server: string): CallError {
  const message = `${server} was not called: the agent is closed or destroyed; create another`
  return new CallError('call_unsuitable', message, { reason: 'closed', server })
}

/** Creates the error for a call made while we have no valid certificate of our own. */
export function createOwnCertificateError(
  server: string,
  { code, detail }: { readonly code: string; readonly detail: string },
): CallError {
  const message = `${server} was not called, because the source has no valid certificate: ${detail}`
  return new CallError('own_certificate_missing', message, { reason: code, server })
}
