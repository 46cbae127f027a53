import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ForwardedClaim, HeaderLines } from '../../packages/core/src/credential/forwarded/forwarded-format.ts'

/** One request as a real proxy handed it over. */
export interface RecordedRow {
  readonly proxy: string
  readonly caller: string
  readonly forgedHeadersSent: boolean
  readonly received: { readonly headers: readonly (readonly [name: string, value: string])[] }
}

const url = new URL('../vectors/forwarded-headers.json', import.meta.url)

export const rows: readonly RecordedRow[] = parseRows(JSON.parse(readFileSync(url, 'utf8')))

/** The certificate of the recorded caller, `spiffe://saas.example/ns/production/sa/orders`, and its intermediate. */
export const orders: Buffer = recorded('haproxy', 'client-cert')
export const intermediate: Buffer = recorded('haproxy', 'x-ssl-chain')

export const ordersId = 'spiffe://saas.example/ns/production/sa/orders'
export const proxyId = 'spiffe://saas.example/ns/edge/sa/proxy'

function parseRows(recording: unknown): readonly RecordedRow[] {
  assert.ok(hasRows(recording))
  return recording.rows
}

function hasRows(value: unknown): value is { readonly rows: readonly RecordedRow[] } {
  return typeof value === 'object' && value !== null && 'rows' in value && Array.isArray(value.rows)
}

function recorded(proxy: string, name: string): Buffer {
  const row = rows.find((candidate) => candidate.proxy === proxy && candidate.caller === 'orders')
  const value = row?.received.headers.find(([key]) => key === name)?.[1] ?? ''
  return Buffer.from(value.replaceAll(':', ''), 'base64')
}

/** Returns the headers of a request whose fields are given by name, with a list for several field lines. */
export function linesOf(fields: Readonly<Record<string, string | readonly string[]>>): HeaderLines {
  return (name) => [fields[name] ?? []].flat()
}

/** Returns a claim with `orders` and `intermediate` instead of their bytes, and any other bytes by their hash. */
export function describeClaim(claim: ForwardedClaim): unknown {
  if (claim.kind === 'malformed') return 'malformed'
  if (claim.kind !== 'certificate') return claim
  return { ...claim, leaf: nameOf(claim.leaf), chain: claim.chain.map(nameOf) }
}

function nameOf(der: Uint8Array): string {
  if (orders.equals(der)) return 'orders'
  return intermediate.equals(der) ? 'intermediate' : createHash('sha256').update(der).digest('hex')
}

export function pemOf(...certificates: readonly Buffer[]): string {
  return certificates
    .map((der) => der.toString('base64').replaceAll(/.{64}(?!$)/g, '$&\n'))
    .map((base64) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
    .join('')
}

export function escapedPemOf(...certificates: readonly Buffer[]): string {
  return encodeURIComponent(pemOf(...certificates))
}

export function sfBytesOf(der: Buffer): string {
  return `:${der.toString('base64')}:`
}

/** Returns DER of any size with the outer form of a certificate. */
export function derOf(length: number, fill: number = 1): Buffer {
  const content = Buffer.alloc(length, fill)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(length)
  const significant = size.subarray(size.findIndex((byte) => byte !== 0))
  const header = length < 0x80 ? [0x30, length] : [0x30, 0x80 | significant.length, ...significant]
  return Buffer.concat([Buffer.from(header), content])
}
