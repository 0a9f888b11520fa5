"""Teachers from outside the supernet: networks at work, and answers that were stored beforehand."""

from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.training.teachers.network import TeacherNetwork, load_teacher
from vitnas.supernets.training.teachers.teacher import LiveTeacher, StoredTeacher, Teacher, make_teacher
from vitnas.supernets.training.teachers.teaching import write_answers

__all__ = [
    "Distil",
    "LiveTeacher",
    "StoredTeacher",
    "Teacher",
    "TeacherNetwork",
    "load_teacher",
    "make_teacher",
    "write_answers",
]
