import type { TrustScope } from './trust-scope.ts'

/**
 * Whether OpenSSL, too, has to accept the chain of a peer. Our own verifier decides in any case; `unused` means that it
 * decides alone, and that OpenSSL is given no authorities.
 */
export type OpensslVerdict = 'required' | 'unused'

/**
 * Decides once, at the start, whether OpenSSL's verdict counts.
 *
 * - With one trust domain, or one CA without SPIFFE, it is required.
 * - With several trust domains it is unused. OpenSSL keeps all authorities in one store and finds an issuer by its name, so
 *   that a partner whose authority has the name of ours would lock out our own peers.
 * - On versions of Node that hide the intermediates of a caller it is unused on servers: without authorities they are
 *   visible.
 *
 * What counts is how many trust domains are accepted, not how many have authorities at the moment.
 */
export function chooseOpensslVerdict(scope: TrustScope, nodeVersion: string = process.versions.node): OpensslVerdict {
  if (scope.kind === 'own') return 'required'
  const hasOneAuthority = scope.kind === 'subject' || new Set(scope.trustDomains).size === 1
  const isVisible = scope.kind === 'servers' || !hidesIntermediates(nodeVersion)
  return hasOneAuthority && isVisible ? 'required' : 'unused'
}

/**
 * Returns whether this version of Node shows a server the leaf of a verified caller alone, by either call. 26.8 began to
 * (a correction for resumed sessions lost the chain), 26.9 shows it again. 24.21 has the first change without the second;
 * no later release of that line was known to have it.
 *
 * @see https://github.com/nodejs/node/issues/65579
 */
export function hidesIntermediates(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  return (major === 24 && minor >= 21) || (major === 26 && minor === 8)
}
