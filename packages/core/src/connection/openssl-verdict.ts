import type { TrustScope } from './trust-scope.ts'

/**
 * Whether OpenSSL also has to accept a peer's chain. Our own verifier always decides. With `unused`, only our verifier
 * decides, and OpenSSL gets no authorities.
 */
export type OpensslVerdict = 'required' | 'unused'

/**
 * Decides once, at startup, whether OpenSSL's verdict counts.
 *
 * - With one trust domain, or one CA without SPIFFE, it is required.
 * - With several trust domains it is unused. OpenSSL keeps all authorities in one store and finds an issuer by name, so
 * a partner's authority with the same name as ours would lock out our own peers.
 * - On Node versions that hide a caller's intermediates it is unused on servers, because without authorities they are
 * visible.
 *
 * - If callers may connect without a certificate it is unused, because OpenSSL would refuse them.
 *
 * What counts is the number of accepted trust domains, not how many have authorities at the moment.
 */
export function chooseOpensslVerdict(
  scope: TrustScope,
  nodeVersion: string = process.versions.node,
  acceptsWithoutCertificate = false,
): OpensslVerdict {
  if (scope.kind === 'own') return 'required'
  if (acceptsWithoutCertificate) return 'unused'
  const hasOneAuthority = scope.kind === 'subject' || new Set(scope.trustDomains).size === 1
  const isVisible = scope.kind === 'servers' || !hidesIntermediates(nodeVersion)
  return hasOneAuthority && isVisible ? 'required' : 'unused'
}

/**
 * Returns whether this Node version exposes only the leaf of a verified caller, through either call. Node 26.8
 * introduced this (a fix for resumed sessions lost the chain) and 26.9 corrected it. Node 24.21 has the first change
 * without the second, and no later release of that line is known to have the correction.
 *
 * @see https://github.com/nodejs/node/issues/65579
 */
export function hidesIntermediates(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  return (major === 24 && minor >= 21) || (major === 26 && minor === 8)
}
