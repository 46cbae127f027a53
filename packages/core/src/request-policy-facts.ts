import { isIP } from 'node:net'
import type { PolicyFacts } from '@countersign/authorization'
import type { GuardedRequest } from './guarded-request.ts'

/** The properties of a connection's peer that policies depend on. */
export interface PolicyPeer {
  readonly socket: object
  /**
   * `direct`: the peer is the caller itself. `listed`: it is a listed proxy. `any`: it is an unauthenticated proxy,
   * whose addresses are not trusted.
   */
  readonly kind: 'direct' | 'listed' | 'any'
}

/** Reads the values that policies compare from a request, each on first use. */
export class RequestPolicyFacts implements PolicyFacts {
  readonly #request: GuardedRequest
  readonly #findPeer: () => PolicyPeer
  #lines: ReadonlyMap<string, readonly string[]> | undefined
  #peer: PolicyPeer | undefined

  constructor(request: GuardedRequest, findPeer: () => PolicyPeer) {
    this.#request = request
    this.#findPeer = findPeer
  }

  headerLines(name: string): readonly string[] {
    this.#lines ??= groupLines(this.#request.rawHeaders)
    return this.#lines.get(name) ?? none
  }

  get host(): string | undefined {
    const { httpVersionMajor } = this.#request
    const [authority] = httpVersionMajor >= 2 ? this.headerLines(':authority') : []
    return authority ?? this.headerLines('host')[0]
  }

  get port(): number | undefined {
    const port: unknown = Reflect.get(this.#connected().socket, 'localPort')
    return typeof port === 'number' ? port : undefined
  }

  get socketAddress(): string | undefined {
    const address: unknown = Reflect.get(this.#connected().socket, 'remoteAddress')
    return typeof address === 'string' ? parseAddress(address) : undefined
  }

  get remoteAddress(): string | undefined {
    const { kind } = this.#connected()
    if (kind === 'direct') return this.socketAddress
    return kind === 'listed' ? readAppended(this.headerLines('x-forwarded-for')) : undefined
  }

  #connected(): PolicyPeer {
    return (this.#peer ??= this.#findPeer())
  }
}

const none: readonly string[] = Object.freeze([])

// Once per request, because policies may name many headers, and a caller may send thousands.
function groupLines(rawHeaders: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, string[]>()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    const line = rawHeaders[index + 1] ?? ''
    const known = lines.get(name)
    if (known === undefined) lines.set(name, [line])
    else known.push(line)
  }
  return lines
}

// A proxy appends its peer's address to what the caller sent, so only the last element is trustworthy.
function readAppended(lines: readonly string[]): string | undefined {
  const last = lines.at(-1)?.split(',').at(-1)?.trim()
  if (last === undefined) return undefined
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(last) ?? []
  if (bracketed !== undefined) return parseAddress(bracketed)
  const [, withPort] = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(last) ?? []
  return parseAddress(withPort ?? last)
}

function parseAddress(text: string): string | undefined {
  // The zone of a link-local address names an interface of this machine.
  const [address = ''] = text.split('%', 1)
  return isIP(address) === 0 ? undefined : address
}
