export { presentUser } from './user.presenter.ts';
export { USER_COLUMNS, UserRepository, type UserWithPassword } from './user.repository.ts';
export { userExample, userSchema } from './user.schemas.ts';
export { comparisonKey, emailFault, type User, usernameFault } from './user.ts';
