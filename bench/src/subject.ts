/** The frameworks that are measured. */
export const frameworks = ['Fastify', 'Express'] as const
export type Framework = (typeof frameworks)[number]

/** What looks at the caller of each request. */
export const checks = ['none', 'countersign', 'handwritten'] as const
export type Check = (typeof checks)[number]
