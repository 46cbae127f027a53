import {
  type AccessMatrix,
  type AccessMatrixOptions,
  assumePrincipal,
  compileRules,
  createAccessMatrix,
  type PossibleCallers,
  type Rule,
} from '@countersign/authorization'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'

export const production: string = 'spiffe://saas.example/ns/production/sa'
/** A caller with `SERVICE_core-api`. */
export const coreApi: string = `${production}/core-api`
export const possible: PossibleCallers = createPossibleWorkloads(['saas.example', 'partner.example'], {
  localTrustDomain: 'saas.example',
  namespaces: new Set(['production']),
})

export function principalOf(caller: string): ReturnType<typeof assumePrincipal> | undefined {
  const { trustDomain, namespace, serviceAccount } = assumePrincipal(caller)
  if (trustDomain !== 'saas.example') return trustDomain === 'partner.example' ? assumePrincipal(caller) : undefined
  const held = [`NAMESPACE_${namespace}`, ...(namespace === 'production' ? [`SERVICE_${serviceAccount}`] : [])]
  return assumePrincipal(caller, held)
}

export function createMatrix(rules: readonly Rule[], options: Partial<AccessMatrixOptions> = {}): AccessMatrix {
  const compiled = compileRules(rules, { localTrustDomain: 'saas.example', callers: possible })
  return createAccessMatrix({
    layers: { rules: compiled, policies: undefined },
    callers: possible,
    principalOf,
    ...options,
  })
}

/** `method path` of each column. */
export function columnsOf({ routes }: AccessMatrix): readonly string[] {
  return routes.map(({ method, path }) => `${method} ${path}`)
}

/** The effects of each row, by its name. */
export function effectsOf({ rows }: AccessMatrix): Readonly<Record<string, string>> {
  return Object.fromEntries(rows.map(({ caller, cells }) => [caller, cells.map(({ effect }) => effect).join(' ')]))
}
