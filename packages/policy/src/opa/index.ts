/**
 * Open Policy Agent in process: a policy that `opa build --target wasm` compiled decides as the authorizer of a guard.
 *
 * @module @countersign/policy/opa
 */
export { opaAuthorizer, type OpaOptions } from './opa-authorizer.ts'
