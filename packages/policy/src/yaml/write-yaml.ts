import { COLLECTION_STYLE, dump, visit } from 'js-yaml'

/** Returns plain data as YAML without anchors. Fields with the value undefined are left out. */
export function writeYaml(value: unknown): string {
  return dump(withoutUndefined(value), {
    noRefs: true,
    lineWidth: 120,
    transform: (documents) => {
      visit(documents, (node) => {
        const isShort = node.kind === 'sequence' && node.items.every(({ kind }) => kind === 'scalar')
        if (isShort) node.style = COLLECTION_STYLE.FLOW
      })
    },
  })
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(fields.map(([key, each]) => [key, withoutUndefined(each)]))
}
