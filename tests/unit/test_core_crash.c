/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power losses while names and xattrs change: whatever of the last stores has
 * reached the media, fsck.udaxfs finds nothing, and a mount finds each
 * operation done or not done.
 */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"
#include "lib/power_loss.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEVICE_BYTES (16u << 20)
#define STATE_BYTES (64 << 10)
#define CRASHES_PER_STEP 16
#ifdef __SANITIZE_THREAD__
#define STEPS 60
#else
#define STEPS 250
#endif

/* What there is, as text: a line for each name. */
struct state {
	char text[STATE_BYTES];
	size_t length;
};

static struct state before, after;
static struct state crashed[CRASHES_PER_STEP];
static unsigned crashed_count, crashes;
static unsigned chance; /* of a crash at an event: 1 in so many */
static bool in_hook;
/* Of two superblocks one may be half written: the next mount mends that. */
static bool superblocks_whole = true;
static unsigned char *image;

/* ------------------------------------------------------------------ state */

struct walk {
	struct fs *fs;
	struct request *request;
	struct state *state;
	char path[256];
};

struct names {
	char name[64][24];
	unsigned count;
};

static int collect(const char *name, size_t name_length, uint64_t ino,
		   unsigned type, uint64_t cookie, void *arg)
{
	struct names *names = arg;
	(void)ino, (void)type, (void)cookie;

	if (name[0] == '.')
		return 0;
	ck_assert_uint_lt(names->count, 64);
	snprintf(names->name[names->count++], 24, "%.*s", (int)name_length,
		 name);
	return 0;
}

static void say_xattr(struct walk *walk, struct inode *inode)
{
	static char value[65536];
	ssize_t length = xattr_get(walk->request, inode, "user.x", value,
				   sizeof(value));
	struct state *state = walk->state;

	if (length == -ENODATA)
		return;
	ck_assert_int_ge(length, 0);
	state->length += (size_t)snprintf(
		state->text + state->length, STATE_BYTES - state->length,
		" x=%zd:%d", length, length ? value[length - 1] : 0);
}

static void say_dir(struct walk *walk, struct inode *dir);

static void say_one(struct walk *walk, struct inode *dir, const char *name)
{
	size_t at = strlen(walk->path);
	struct state *state = walk->state;
	struct inode *inode;
	struct stat stat;

	ck_assert_int_eq(dir_lookup(walk->request, dir, name, &inode), 0);
	attr_get(walk->fs, inode, &stat);
	snprintf(walk->path + at, sizeof(walk->path) - at, "/%s", name);
	state->length += (size_t)snprintf(
		state->text + state->length, STATE_BYTES - state->length,
		"%s %ju %o %ju %jd", walk->path, (uintmax_t)stat.st_ino,
		stat.st_mode, (uintmax_t)stat.st_nlink, (intmax_t)stat.st_size);
	say_xattr(walk, inode);
	strcat(state->text, "\n");
	ck_assert_uint_lt(++state->length, STATE_BYTES - 512);
	if (S_ISDIR(stat.st_mode))
		say_dir(walk, inode);
	walk->path[at] = '\0';
	inode_forget(walk->fs, inode, 1);
}

static void say_dir(struct walk *walk, struct inode *dir)
{
	struct names *names = calloc(1, sizeof(*names));
	unsigned i;

	ck_assert_int_eq(dir_read(walk->request, dir, 0, collect, names), 0);
	for (i = 0; i < names->count; i++)
		say_one(walk, dir, names->name[i]);
	free(names);
}

static void say_all(struct fs *fs, struct request *request, struct state *out)
{
	struct walk walk = { .fs = fs, .request = request, .state = out };

	memset(out, 0, sizeof(*out));
	ck_assert_int_eq(request_begin(request, "walk", INO_ROOT, 0, false), 0);
	say_dir(&walk, inode_of(fs, INO_ROOT));
	request_end(request);
}

/* ------------------------------------------------------------------ crash */

static void *mount_image(void *arg)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char *path = arg;
	struct request request;
	char why[256];
	struct fs *fs;

	ck_assert_msg(fs_mount(&fs, &path, 1, &options, why, sizeof(why)) == 0,
		      "%s", why);
	ck_assert_int_eq(request_thread_init(fs, &request), 0);
	say_all(fs, &request, &crashed[crashed_count]);
	request_thread_fini(&request);
	fs_unmount(fs);
	return NULL;
}

static void fsck_image(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "./fsck.udaxfs -n %s >&2", path);
	fflush(NULL);
	ck_assert_int_eq(system(command), 0);
}

/* The image is judged by a thread of its own: ours is within a commit. */
static void crash(struct device *device)
{
	char path[128];
	pthread_t thread;
	int fd;

	power_loss_image(device, image, (unsigned)random() % 257,
			 random() % 2 ? 8 : 64);
	snprintf(path, sizeof(path), "%s", fixture_path("image"));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, image, DEVICE_BYTES), DEVICE_BYTES);
	close(fd);
	if (superblocks_whole)
		fsck_image(path);
	ck_assert_int_eq(pthread_create(&thread, NULL, mount_image, path), 0);
	pthread_join(thread, NULL);
	fsck_image(path);
	crashed_count++;
	crashes++;
}

static void on_event(struct device *device, enum power_loss_event event)
{
	(void)event;
	if (in_hook || crashed_count == CRASHES_PER_STEP ||
	    (unsigned)random() % chance != 0)
		return;
	in_hook = true;
	crash(device);
	in_hook = false;
}

static void judge(const char *what)
{
	unsigned i;

	say_all(core.fs, &core.request, &after);
	for (i = 0; i < crashed_count; i++)
		ck_assert_msg(!strcmp(crashed[i].text, before.text) ||
				      !strcmp(crashed[i].text, after.text),
			      "%s: neither before nor after:\n%s---\n%s---\n%s",
			      what, crashed[i].text, before.text, after.text);
	crashed_count = 0;
	before = after;
}

/* ------------------------------------------------------------------ steps */

static const char *any_name(void)
{
	static char names[4][24];
	static unsigned next;
	char *name = names[next++ % 4];

	snprintf(name, 24, "name-%ld", random() % 12);
	return name;
}

static struct inode *any_dir(void)
{
	struct inode *dir;
	char name[2] = { (char)('a' + random() % 3), '\0' };

	if (core_look(core.root, name, &dir) == 0 &&
	    S_ISDIR(core_stat(dir).st_mode))
		return dir;
	ck_assert_int_eq(inode_look(core.fs, INO_ROOT, &dir), 0);
	return dir;
}

static int set_xattr(struct inode *dir, const char *name)
{
	static char value[20000];
	struct inode *inode;
	int err = core_look(dir, name, &inode);

	if (err)
		return err;
	memset(value, (int)random(), sizeof(value));
	ck_assert_int_eq(
		request_begin(&core.request, "xattr", inode->ino, 0, false), 0);
	if (random() % 4 == 0)
		err = xattr_remove(&core.request, inode, "user.x");
	else
		err = xattr_set(&core.request, inode, "user.x", value,
				random() % 3 ? random() % 1000
					     : random() % sizeof(value),
				0);
	request_end(&core.request);
	core_forget(inode);
	return err;
}

static int make(struct inode *dir, const char *name, mode_t mode)
{
	struct inode *inode;
	int err = core_create(dir, name, mode, &inode);

	if (!err)
		core_forget(inode);
	return err;
}

static int give_link(struct inode *dir, const char *name)
{
	struct inode *inode;
	int err;

	if (random() % 2)
		err = core_tmpfile(dir, &inode);
	else
		err = core_look(dir, any_name(), &inode);
	if (!err) {
		err = core_link(inode, dir, name);
		core_forget(inode);
	}
	return err;
}

static int change_mode(struct inode *dir, const char *name)
{
	const struct stat attr = { .st_mode = (mode_t)random() & 0777 };
	struct inode *inode;
	int err = core_look(dir, name, &inode);

	if (!err) {
		err = core_setattr(inode, &attr, ATTR_MODE);
		core_forget(inode);
	}
	return err;
}

static int any_step(struct inode *dir, const char *name)
{
	static const char target[1000] = { [0 ... 998] = 't' };
	struct inode *other;
	int err;

	switch (random() % 10) {
	case 0:
	case 1:
		return make(dir, name, S_IFREG | 0644);
	case 2:
		return make(dir, name, S_IFDIR | 0755);
	case 3:
		return core_symlink(dir, name, target + random() % 998);
	case 4:
		return core_unlink(dir, name);
	case 5:
		return core_rmdir(dir, name);
	case 6:
		return give_link(dir, name);
	case 7:
		return random() % 2 ? change_mode(dir, name)
				    : set_xattr(dir, name);
	default:
		other = any_dir();
		err = core_rename(dir, name, other, any_name(),
				  random() % 3 ? 0 : RENAME_EXCHANGE);
		core_forget(other);
		return err;
	}
}

static void set_up(void)
{
	unsigned i;

	fixture_make();
	core_format(1, "16M");
	core_mount(1);
	image = malloc(DEVICE_BYTES);
	chance = UINT32_MAX;
	srandom(7);
	for (i = 0; i < 3; i++)
		core_make(core.root, (char[]){ (char)('a' + i), '\0' },
			  S_IFDIR | 0755);
	power_loss_watch(core.fs->members.device[0], DEVICE_BYTES, on_event);
}

static void tear_down(void)
{
	power_loss_unwatch(core.fs->members.device[0]);
	core_unmount();
	core_fsck(1);
	free(image);
	fixture_remove();
}

START_TEST(every_change_of_names_is_done_or_not_done)
{
	unsigned i, done = 0;

	chance = STEPS / 10;
	say_all(core.fs, &core.request, &before);
	for (i = 0; i < STEPS; i++) {
		struct inode *dir = any_dir();
		int err = any_step(dir, any_name());

		ck_assert_int_ne(err, -EUCLEAN);
		ck_assert_int_ne(err, -EIO);
		done += err == 0;
		core_forget(dir);
		judge("step");
	}
	ck_assert_uint_gt(done, STEPS / 4);
	ck_assert_uint_gt(crashes, STEPS / 20);
}
END_TEST

static void make_many(unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++) {
		struct inode *inode;

		ck_assert_int_eq(core_tmpfile(core.root, &inode), 0);
	}
}

START_TEST(the_inode_file_grows_or_does_not)
{
	chance = UINT32_MAX;
	make_many(0, INODE_CHUNK - 10);
	chance = 12;
	say_all(core.fs, &core.request, &before);
	make_many(0, 20); /* nameless: no state but the old one */
	ck_assert_uint_gt(crashed_count, 0);
	judge("growth");
}
END_TEST

START_TEST(an_unmount_cut_short_leaves_what_there_was)
{
	struct device *device = core.fs->members.device[0];
	struct inode *orphan = core_new(core.root, "orphan", S_IFREG | 0600);
	unsigned i;

	core_make(core.root, "file", S_IFREG | 0600);
	ck_assert_int_eq(core_write(orphan, &i, sizeof(i), 10000), sizeof(i));
	ck_assert_int_eq(core_unlink(core.root, "orphan"), 0);
	say_all(core.fs, &core.request, &before);
	chance = 2;
	superblocks_whole = false;
	core_unmount();
	chance = UINT32_MAX;
	power_loss_unwatch(device); /* only the address */
	ck_assert_uint_gt(crashed_count, 3);
	for (i = 0; i < crashed_count; i++)
		ck_assert_str_eq(crashed[i].text, before.text);
	core_mount(1);
	power_loss_watch(core.fs->members.device[0], DEVICE_BYTES, on_event);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_crash");
	TCase *rules = tcase_create("power_loss");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 120);
	tcase_add_test(rules, every_change_of_names_is_done_or_not_done);
	tcase_add_test(rules, the_inode_file_grows_or_does_not);
	tcase_add_test(rules, an_unmount_cut_short_leaves_what_there_was);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
