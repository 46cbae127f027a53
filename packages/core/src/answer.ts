import { STATUS_CODES } from 'node:http'
import type { Denial } from '@countersign/authorization'
import { ignoreRejection } from '@countersign/spiffe/options'
import type { GuardOptions } from './guard-options.ts'

/** The response to a denied request. */
export interface DenialAnswer {
  readonly status: Denial['status']
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Formats a denial as RFC 9457 problem details with a code and the decision's id, and nothing about rules or
 * certificates. If the application's `formatDenial` throws or returns something unusable, its result is ignored and the
 * default is sent.
 */
export function formatAnswer(denial: Denial, formatDenial: GuardOptions['formatDenial']): DenialAnswer {
  const { id, status, code, challenge } = denial
  const { contentType, body } = formatOwn(formatDenial, { id, status, code }) ?? {
    contentType: 'application/problem+json',
    body: JSON.stringify({
      type: 'about:blank',
      title: STATUS_CODES[status],
      status,
      instance: `urn:uuid:${id}`,
      code,
    }),
  }
  const headers = { 'content-type': contentType, 'cache-control': 'no-store' }
  return { status, headers: challenge === undefined ? headers : { ...headers, 'www-authenticate': challenge }, body }
}

/** Formats an answer as the bytes of an HTTP/1.1 response, for sockets that have no response object. */
export function formatRawAnswer({ status, headers, body }: DenialAnswer): string {
  const fields = { ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n')
}

function formatOwn(
  formatDenial: GuardOptions['formatDenial'],
  denial: Parameters<NonNullable<GuardOptions['formatDenial']>>[0],
): { readonly contentType: string; readonly body: string } | undefined {
  try {
    const formatted: unknown = formatDenial?.(denial)
    ignoreRejection(formatted)
    if (typeof formatted !== 'object' || formatted === null) return undefined
    const contentType: unknown = Reflect.get(formatted, 'contentType')
    const body: unknown = Reflect.get(formatted, 'body')
    const isUsable = typeof contentType === 'string' && /^[\x20-\x7e]+$/.test(contentType) && typeof body === 'string'
    return isUsable ? { contentType, body } : undefined
  } catch {
    return undefined
  }
}
