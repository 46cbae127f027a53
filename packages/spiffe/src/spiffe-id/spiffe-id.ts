import { describeValue } from '../options.ts'
import { SpiffeIdError, type SpiffeIdErrorCode } from '../errors.ts'

/**
 * The maximum length of a SPIFFE ID in bytes. SPIFFE-ID §2.3 requires support for this length, and we accept no longer
 * ones.
 */
const maxSpiffeIdBytes = 2048

/** The maximum length of a trust domain name in bytes (SPIFFE-ID §2.3). */
const maxTrustDomainBytes = 255

/**
 * The ID of a workload: `spiffe://<trust domain>/<path>`, parsed once and never normalized. Upper case in the scheme or
 * trust domain is rejected, not converted, so two spellings never mean the same workload.
 *
 * @example SpiffeId.parse('spiffe://saas.example/ns/production/sa/core-api').segments // ['ns', 'production', 'sa',
 * 'core-api']
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity
 */
export class SpiffeId {
  /** The name of the trust domain, lower case, without the scheme. */
  readonly trustDomain: string
  /** Empty for the ID of the trust domain itself. Otherwise begins with `/` and is compared byte for byte. */
  readonly path: string
  /** The path split at its slashes; an empty list for an empty path. */
  readonly segments: readonly string[]
  readonly #text: string

  private constructor(text: string, trustDomain: string, path: string) {
    this.#text = text
    this.trustDomain = trustDomain
    this.path = path
    this.segments = Object.freeze(path === '' ? [] : path.slice(1).split('/'))
    Object.freeze(this)
  }

  /**
   * Parses a SPIFFE ID exactly as SPIFFE-ID §2 defines it. Does not use a URL parser, because that would normalize,
   * decode and repair the text.
   *
   * @throws {SpiffeIdError} with a code for the clause that the text violates
   */
  static parse(text: string): SpiffeId {
    if (typeof text !== 'string') refuse('empty', `found ${describeValue(text)}, expected text`, undefined)
    if (text === '') refuse('empty', 'found an empty string', text)
    if (text.length > maxSpiffeIdBytes) {
      refuse('too_long', `found ${text.length} bytes, expected at most ${maxSpiffeIdBytes}`, text)
    }
    if (!text.startsWith(scheme))
      refuse('bad_scheme', `found ${quote(text)}, expected it to begin with ${scheme}`, text)
    const slash = text.indexOf('/', scheme.length)
    const trustDomain = slash === -1 ? text.slice(scheme.length) : text.slice(scheme.length, slash)
    const path = slash === -1 ? '' : text.slice(slash)
    checkTrustDomainName(trustDomain, text)
    checkPath(path, text)
    return new SpiffeId(text, trustDomain, path)
  }

  /** Returns the parsed text, unchanged. */
  toString(): string {
    return this.#text
  }

  /** Returns the same as `toString`, so that a SPIFFE ID inside a logged object is readable. */
  toJSON(): string {
    return this.#text
  }

  /** Returns true if the other value is the same SPIFFE ID: trust domain and path, byte for byte (SPIFFE-ID §2.4). */
  equals(other: SpiffeId): boolean {
    return other instanceof SpiffeId && other.#text === this.#text
  }
}

/**
 * Checks a bare trust domain name by SPIFFE-ID §2.1 and §2.3. DNS rules do not apply to it.
 *
 * @throws {SpiffeIdError} `missing_trust_domain`, `bad_trust_domain_char` or `trust_domain_too_long`
 */
export function checkTrustDomainName(name: string, whole: string): void {
  if (typeof name !== 'string') refuse('missing_trust_domain', `found ${describeValue(name)}, expected text`, undefined)
  if (name === '') refuse('missing_trust_domain', 'found no trust domain', whole)
  if (!/^[a-z0-9._-]+$/.test(name)) {
    refuse(
      'bad_trust_domain_char',
      `found trust domain ${quote(name)}, expected only a-z, 0-9, '.', '-' and '_'`,
      whole,
    )
  }
  if (name.length > maxTrustDomainBytes) {
    refuse(
      'trust_domain_too_long',
      `found a trust domain of ${name.length} bytes, expected at most ${maxTrustDomainBytes}`,
      whole,
    )
  }
}

const scheme = 'spiffe://'

function checkPath(path: string, whole: string): void {
  if (path === '') return
  if (!/^[A-Za-z0-9._/-]+$/.test(path)) {
    refuse('bad_path_char', `found path ${quote(path)}, expected only letters, digits, '.', '-', '_' and '/'`, whole)
  }
  const segments = path.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    if (segment === '.' || segment === '..') {
      refuse('dot_segment', `found path ${quote(path)}, expected no segment '.' or '..'`, whole)
    }
    if (segment !== '') continue
    const isTrailing = index === segments.length - 1 && segments[index - 1] !== ''
    if (isTrailing) refuse('trailing_slash', `found path ${quote(path)}, expected no trailing slash`, whole)
    refuse('empty_segment', `found path ${quote(path)}, expected no empty segment`, whole)
  }
}

function refuse(code: SpiffeIdErrorCode, finding: string, value: unknown): never {
  throw new SpiffeIdError(code, `not a SPIFFE ID: ${finding}`, { value })
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text)
}
