/**
 * JWT-SVIDs: bundles of JWT authorities, and the verification of tokens. Loaded only by programs that import it.
 *
 * @module @countersign/spiffe/jwt
 */
export { fileJwtBundles, type FileJwtBundlesOptions } from './file-jwt-bundles.ts'
export { JwtBundle } from './jwt-bundle.ts'
export { type JwtBundles, type JwtBundleSource, staticJwtBundles } from './jwt-bundle-source.ts'
export type { JwtSvid } from './jwt-svid.ts'
export { readAudiences } from './read-audiences.ts'
export { readJwtBundles } from './read-jwt-bundles.ts'
export type { JwtSvidReason } from './refusal.ts'
export {
  createReplaceableJwtBundles,
  type NoticingJwtBundleSource,
  type ReplaceableJwtBundles,
} from './replaceable-jwt-bundles.ts'
export { type JwtClaim, type JwtVerdict, verifyJwtSvid } from './verify-jwt-svid.ts'
