/**
 * JWT-SVIDs: bundles of JWT authorities, and the verification of tokens. Loaded only by those who import it.
 *
 * @module @countersign/spiffe/jwt
 */
export { JwtBundle } from './jwt-bundle.ts'
export { type JwtBundles, type JwtBundleSource, staticJwtBundles } from './jwt-bundle-source.ts'
export type { JwtSvid } from './jwt-svid.ts'
export { readAudiences } from './read-audiences.ts'
export type { JwtSvidReason } from './refusal.ts'
export { type JwtClaim, type JwtVerdict, verifyJwtSvid } from './verify-jwt-svid.ts'
