import type { TLSSocket } from 'node:tls'
import { isX509Svid, endOfValidity } from '@countersign/spiffe/internal'
import type { Proof } from './proof.ts'

/** Returns the name of a verified peer as events report it. */
export function nameOf(proof: Proof): { readonly spiffeId: string } | { readonly subject: string } {
  return isX509Svid(proof) ? { spiffeId: proof.spiffeId.toString() } : { subject: proof.name }
}

/** Returns the name of a verified caller, as in `principal.name`. */
export function callerOf(proof: Proof): string {
  return isX509Svid(proof) ? proof.spiffeId.toString() : proof.name
}

/** Returns what events report about a verified peer. */
export function describeProof(proof: Proof): ReturnType<typeof nameOf> & {
  readonly serialNumber: string
  readonly expiresAt: number
} {
  return { ...nameOf(proof), serialNumber: proof.leaf.serialNumber, expiresAt: proof.expiresAt }
}

/** Returns the validity of a peer's own certificate, in epoch milliseconds. */
export function validityOf({ leaf }: Proof): { readonly notBefore: number; readonly notAfter: number } {
  return { notBefore: leaf.notBefore, notAfter: endOfValidity(leaf) }
}

/** Returns the address of a peer, if its socket still has it. */
export function addressOf({ remoteAddress }: TLSSocket): { readonly remoteAddress?: string } {
  return remoteAddress === undefined ? {} : { remoteAddress }
}
