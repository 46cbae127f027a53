import type { Principal } from './principal.ts'

/**
 * Returns whether two principals are the same caller, proven by the same certificate and with the same authorities. An
 * update of the bundles creates a new principal for the same certificate.
 */
export function isSameCaller(a: Principal, b: Principal): boolean {
  return (
    a.name === b.name &&
    a.credential === b.credential &&
    a.thumbprint === b.thumbprint &&
    a.authorities.length === b.authorities.length &&
    a.authorities.every((authority) => b.hasAuthority(authority))
  )
}
